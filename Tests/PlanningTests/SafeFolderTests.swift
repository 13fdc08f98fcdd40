import Settings
import Testing

@Suite("Whose files are read") struct SafeFolderTests {
    /// The user, `SUDO_UID`, who owns the path, whether it may be used.
    @Test(
        arguments: [
            (1000, nil, [1000], true), (1000, nil, [0], false), (1000, nil, [1001], false),
            (1000, "1001", [1001], false),
            (1000, nil, [1000, 1001], false), (0, nil, [0], true), (0, nil, [1000], false), (0, "1000", [1000], true),
            (0, "1000", [0, 1000], true), (0, "1000", [1001], false), (0, "", [1000], false),
            (0, "root", [1000], false),
            (0, "-1", [4_294_967_295], false), (1000, nil, [], false),
        ] as [(UInt32, String?, Set<UInt32>, Bool)]
    )
    func theOwnerIsTheUserOrWhoCalledSudo(_ user: UInt32, _ sudo: String?, _ owners: Set<UInt32>, _ safe: Bool) {
        let rule = SafeFolder(user: user, sudo: sudo) { path in path == "/a/bailey.yaml" ? owners : [] }
        let refusal = rule.refusal(of: "/a/bailey.yaml")
        #expect((refusal == nil) == safe)
        if let refusal { #expect(refusal.contains("/a/bailey.yaml")) }
    }
}
