"""Runs statements in a PostgreSQL, or copies rows from one to another, and reports how that ended as data.

Reads `{"connection", "statements", "params", "transaction", "read_only", "seconds", "rows"}`, or `{"copy": {"from", "to", "query", "table", "columns",
"window"}, "params", "seconds"}`, and prints, as its very last line, one object: `{"bailey_body": 1, "result": …}`, or
`{"bailey_body": 1, "error": {…, "final"}}`. A statement is a list in which texts of SQL and names of parameters alternate: parameters are bound,
never pasted. With `rows`, what it did is rolled back once each query's rows are in their file. Stands alone: other interpreters run its text with `-c`.
"""

import json
import sys
import tempfile

# SQLSTATE classes of what a repetition may mend: connections, resources, deadlocks and the like, an administrator's doing.
PASSING = ("08", "40", "53", "55", "57")
# The savepoint that is there as long as the transaction is.
MARK = "bailey_effects"


class Refused(Exception):
    def __init__(self, words, final=True):
        super().__init__(words)
        self.final = final


def driver():
    """psycopg, of either generation."""
    try:
        import psycopg

        return psycopg
    except ImportError:
        pass
    try:
        import psycopg2

        return psycopg2
    except ImportError:
        raise Refused(
            f"{sys.executable} has neither psycopg nor psycopg2: install one, or name an environment that has"
        ) from None


def connected(place, seconds):
    """A connection, with a limit of time for each statement. What is bound is bound as text: PostgreSQL finds the type."""
    options = {
        "host": place.get("host"),
        "port": place.get("port"),
        "user": place.get("login"),
        "password": place.get("password"),
        "dbname": place.get("schema"),
        **{name: value for name, value in (place.get("extra") or {}).items() if name.startswith(("ssl", "connect_"))},
    }
    options = {name: value for name, value in options.items() if value not in (None, "")}
    options.setdefault("connect_timeout", 10)
    library = driver()
    if hasattr(library, "ClientCursor"):
        options["cursor_factory"] = library.ClientCursor
    try:
        connection = library.connect(**options)
    except library.Error as error:
        raise Refused(f"{place['name']} cannot be reached: {str(error).strip()}", False) from error
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {int(seconds * 1000)}")
    connection.commit()
    return connection


def plain(text):
    """SQL that holds no parameter, as psycopg takes it."""
    return text.replace("%", "%%")


def bound(statement):
    """A statement as psycopg takes it."""
    return "".join(plain(part) if at % 2 == 0 else f"%({part})s" for at, part in enumerate(statement))


def values(params):
    """What is bound: texts as they are, other values as JSON writes them. There is always one, so that %% always means one %."""
    texts = {
        name: value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in params.items()
    }
    return {"bailey": None, **texts}


def execute(cursor, name, text, params):
    library = driver()
    try:
        cursor.execute(text, params)
    except library.Error as error:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        words = str(error).strip().splitlines() or [type(error).__name__]
        where = [line for line in words[1:] if line.startswith(("DETAIL", "HINT"))]
        said = "; ".join([words[0], *where])
        raise Refused(f"{name} failed: {said} (SQLSTATE {state})", state[:2] not in PASSING) from error


def run(call):
    connection = connected(call["connection"], call["seconds"])
    statements, params = call["statements"], values(call["params"])
    if not call["transaction"]:
        connection.autocommit = True
    counts = []
    try:
        with connection.cursor() as cursor:
            if call["read_only"]:
                cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                connection.commit()
            if "rows" in call:
                cursor.execute(f"SAVEPOINT {MARK}")
            for number, statement in enumerate(statements, 1):
                execute(cursor, f"statement {number} of {len(statements)}", bound(statement), params)
                counts.append(cursor.rowcount if cursor.rowcount >= 0 else None)
            if "rows" in call:
                still_inside(cursor)
            for rows in call.get("rows", []):
                # As the session that reads legacy's rows has it.
                for setting in (
                    "timezone = 'UTC'",
                    "datestyle = 'ISO'",
                    "bytea_output = 'hex'",
                    "intervalstyle = 'postgres'",
                    "extra_float_digits = 1",
                    "client_encoding = 'UTF8'",
                ):
                    cursor.execute(f"SET LOCAL {setting}")
                with open(rows["file"], "wb") as file:
                    out_of(cursor, rows["query"], file)
        if "rows" in call:
            connection.rollback()
        elif call["transaction"]:
            commit(connection)
    finally:
        connection.close()
    return {"rows": counts[-1], "statements": counts}


def still_inside(cursor):
    """Makes sure that what was done can be rolled back still: statements that end their transaction are refused where they are read."""
    library = driver()
    try:
        cursor.execute(f"RELEASE SAVEPOINT {MARK}")
    except library.Error as error:
        raise Refused(
            "the statements ended the transaction that they ran in, so that what they did before that stays done and is not "
            "compared: take COMMIT, ROLLBACK and the like out of them, or have the task run on a copy"
        ) from error


def commit(connection):
    library = driver()
    try:
        connection.commit()
    except library.Error as error:
        raise Refused(f"the commit failed: {str(error).strip()}", True) from error


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def copy(call):
    """Rows of a query into a table: staged beside it, then put in the place of what the window holds, in one transaction."""
    what, params = call["copy"], values(call["params"])
    query = bound(what["query"])
    source = connected(what["from"], call["seconds"])
    try:
        with tempfile.TemporaryFile() as rows, source.cursor() as cursor:
            execute(cursor, "the query", "SET TRANSACTION READ ONLY", params)
            execute(cursor, "the query", f"SELECT * FROM ({query}\n) AS rows LIMIT 0", params)
            columns = what["columns"] or [column[0] for column in cursor.description]
            text = f"COPY (SELECT {listed(columns)} FROM ({query}\n) AS rows) TO STDOUT"
            out_of(cursor, cursor.mogrify(text, params), rows)
            source.rollback()
            rows.seek(0)
            return into(call, listed(columns), rows)
    finally:
        source.close()


def listed(columns):
    return plain(", ".join(map(quoted, columns)))


def into(call, columns, rows):
    what, window = call["copy"], call["window"]
    table = plain(".".join(quoted(part) for part in what["table"]))
    limits, clause = values({}), ""
    if window:
        column = plain(quoted(what["column"]))
        limits = values(window)
        clause = f"{column} >= %(from)s AND {column} < %(until)s"
    target = connected(what["to"], call["seconds"])
    try:
        with target.cursor() as cursor:
            execute(cursor, "staging", f"CREATE TEMPORARY TABLE bailey_staging (LIKE {table}) ON COMMIT DROP", limits)
            into_staging(cursor, f"COPY bailey_staging ({columns}) FROM STDIN".replace("%%", "%"), rows)
            if window:
                strays = f"SELECT count(*) FROM bailey_staging WHERE ({clause}) IS NOT TRUE"
                execute(cursor, "the look at the window", strays, limits)
                count = cursor.fetchone()[0]
                if count:
                    raise Refused(
                        f"{count} rows of the query lie outside the window ({what['column']} from {window['from']} until "
                        f"{window['until']}), so that a repeated run would add them again: let the query ask for the window alone"
                    )
            execute(cursor, "the delete", f"DELETE FROM {table}" + (f" WHERE {clause}" if clause else ""), limits)
            deleted = cursor.rowcount
            execute(
                cursor, "the insert", f"INSERT INTO {table} ({columns}) SELECT {columns} FROM bailey_staging", limits
            )
            inserted = cursor.rowcount
        commit(target)
    finally:
        target.close()
    return {"rows": inserted, "deleted": deleted}


def out_of(cursor, text, file):
    text = text.decode() if isinstance(text, bytes) else text
    if hasattr(cursor, "copy_expert"):
        guarded("the query", lambda: cursor.copy_expert(text, file))
        return

    def read():
        with cursor.copy(text) as copy:
            for block in copy:
                file.write(block)

    guarded("the query", read)


def into_staging(cursor, text, file):
    if hasattr(cursor, "copy_expert"):
        guarded("staging", lambda: cursor.copy_expert(text, file))
        return

    def write():
        with cursor.copy(text) as copy:
            while block := file.read(1 << 20):
                copy.write(block)

    guarded("staging", write)


def guarded(name, work):
    library = driver()
    try:
        work()
    except library.Error as error:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise Refused(f"{name} failed: {words[0]} (SQLSTATE {state})", state[:2] not in PASSING) from error


def main():
    call = json.load(sys.stdin)
    try:
        result = copy(call) if "copy" in call else run(call)
        said, ended = '"result":' + json.dumps(result), 0
    except Refused as refused:
        fields = {"type": "sql", "module": None, "message": str(refused), "detail": "", "arguments": []}
        said, ended = '"error":' + json.dumps({**fields, "final": refused.final}), 1
    sys.stdout.write('\n{"bailey_body":1,' + said + "}\n")
    sys.exit(ended)


if __name__ == "__main__":
    main()
