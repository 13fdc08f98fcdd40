import LosslessJSON
import Testing

@testable import Legacy
@testable import Settings

/// What a source's URLs say of TLS is what the Airflow connections say that lead there: else Bailey reaches what a gate or a task does not.
@Suite("Connections of sources")
struct SourceConnectionTests {
    private static let checks: [(url: String, extra: JSONObject)] = [
        ("rediss://h/0", [:]),
        ("rediss://h/0?ssl_ca_certs=/ca.pem", ["ssl_ca_certs": "/ca.pem"]),
        ("rediss://h/0?ssl_cert_reqs=CERT_NONE", ["ssl_cert_reqs": "none"]),
        (
            "rediss://h/0?ssl_ca_certs=/ca.pem&ssl_check_hostname=false",
            ["ssl_ca_certs": "/ca.pem", "ssl_check_hostname": false]
        ),
    ]

    @Test(arguments: checks)
    func howTLSIsCheckedGoesAlong(url: String, extra: JSONObject) throws {
        let found = try RedBeatSystem(SourceSettings(name: "s", kind: "redbeat", url: url)).connection(.source)
        #expect(found.type == "rediss")
        #expect(found.extra == (extra.isEmpty ? nil : .object(extra)))
    }

    @Test func aMessageQueueIsTakenApart() throws {
        let url = "amqps://u:p%40ss@h:5671/team%2Fa?ssl_ca_certs=%2Fca.pem&ssl_check_hostname=false&heartbeat=10"
        var settings = SourceSettings(name: "s", kind: "redbeat", url: "redis://r/0")
        settings.brokerURL = url
        let found = try RedBeatSystem(settings).connection(.broker)
        #expect(found.type == "amqps" && found.host == "h" && found.port == 5671)
        #expect(found.login == "u" && found.password == "p@ss" && found.schema == "team/a")
        #expect(found.extra == ["ssl_ca_certs": "/ca.pem", "ssl_check_hostname": "false"])
        #expect(!found.address.contains("p%40ss") && !found.address.contains("p@ss"))
    }
}
