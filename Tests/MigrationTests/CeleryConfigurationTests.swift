import LosslessJSON
import Migration
import Testing

@Suite("What is known of a Celery application") struct CeleryConfigurationTests {
    private func unknown(_ settings: JSON, task: String = "app.tidy", options: JSON = [:], more: JSONObject = [:])
        -> String?
    {
        var document = more
        document["settings"] = settings
        return CeleryConfiguration(json: .object(document)).unknownPart(task: task, options: options)
    }

    @Test func whatWorkersTellPlainlyIsKnown() {
        #expect(unknown([:]) == nil)
        #expect(unknown(["task_routes": ["app.*": ["queue": "a"], "b": "c"]]) == nil)
        #expect(unknown(["task_routes": [[["app.*", ["queue": "a"]]], ["b": "c"]]]) == nil)
    }

    @Test func codeAndWhatIsMaskedIsNot() throws {
        for routes: JSON in [
            ["<function route at 0x7f>"], [["<class 'app.Router'>", ["queue": "a"]]],
            ["re.compile('app')": ["queue": "a"]],
            "<function route at 0x7f>",
        ] {
            #expect(try #require(unknown(["task_routes": routes])).contains("code of the application"))
        }
        let masked: JSON = ["task_routes": ["app.*": ["queue": "a", "routing_key": "********"]]]
        #expect(unknown(masked)?.contains("app.*") == true)
        // What leads other tasks is nobody's concern here.
        #expect(unknown(masked, task: "other") == nil)
        #expect(unknown(["task_default_routing_key": "********"])?.contains("task_default_routing_key") == true)
        #expect(unknown(["broker_transport_options": ["global_keyprefix": "********"]]) != nil)
        #expect(unknown([:], more: ["disagree": ["task_routes"]])?.contains("task_routes") == true)
        #expect(unknown([:], options: ["queue": "old"], more: ["silent": ["old"]])?.contains("old") == true)
        #expect(CeleryConfiguration(json: [:]).unknownPart(task: "t", options: [:]) != nil)
    }

    @Test func resultsThatNobodyElseReadsAreTold() {
        for (backend, isClosed) in [
            ("redis://h/1", false), ("rediss://h/1", false), ("sentinel://h", false), ("disabled", true),
            ("rpc://", true), ("db+postgresql://h/d", true),
        ] {
            let known = CeleryConfiguration(json: ["backend": .string(backend), "settings": [:]])
            #expect((known.closedResults != nil) == isClosed, "\(backend)")
        }
    }

    @Test func whatAPersonSaysStandsBeforeWhatWorkersTold() {
        let told = CeleryConfiguration(json: ["settings": ["task_default_queue": "a", "timezone": "UTC"]])
        let stated = told.stating(["task_default_queue": "b"])
        #expect(stated.json["settings"] == ["task_default_queue": "b", "timezone": "UTC"])
        #expect(stated.differences(from: told) == ["task_default_queue"])
    }
}
