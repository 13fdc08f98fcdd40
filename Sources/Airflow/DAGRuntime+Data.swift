import CTexts

/// Bodies that move data, in files that import nothing of Bailey's: the programs are those of gated files, word for word.
extension DAGRuntime {
    /// Sends a request.
    static let httpProgram = "_HTTP = " + program(carried_http_program_py())

    /// Runs statements, or copies rows.
    static let sqlProgram = "_SQL = " + program(carried_sql_program_py())

    static func program(_ text: UnsafePointer<CChar>) -> String {
        // Its documentation has three quotes in a row, and three single ones has nothing.
        "r'''\n" + String(cString: text) + "'''"
    }

    /// Fills in connections and runs one of the programs.
    ///
    /// - Parameter lookup: the Python function that finds a connection.
    static func data(lookup: String) -> String { moving.replacing("LOOKUP", with: lookup) }

    private static let moving = #"""
        def _move_data(program, request, given, places, environment):
            """Give a program its request, what was filled in and its connections; return the result that it reports last."""
            for role, name in places.items():
                connection = LOOKUP(name)
                fields = ("conn_type", "host", "port", "login", "password", "schema")
                place = {field: getattr(connection, field) for field in fields}
                place.update(extra=connection.extra_dejson, name=f"the connection “{name}”")
                (request["copy"] if "copy" in request else request)[role] = place
            if "url" in request and places:
                place = request.pop("connection")
                host = place["host"] or ""
                base = host if "://" in host else f"{place['schema'] or 'http'}://{host}"
                request["url"] = base.rstrip("/") + (f":{place['port']}" if place["port"] else "") + request["url"]
                request["headers"] = {**{key: str(value) for key, value in place["extra"].items()}, **request["headers"]}
                request.update(login=place["login"], password=place["password"])
            request.update(given)
            if request.get("json") is not None:
                request["json"] = json.dumps(request["json"])
            report = _run_program(program, json.dumps(request), environment, fails=False)
            if "error" in report:
                raise RuntimeError(report["error"]["message"])
            return report["result"]
        """#
}
