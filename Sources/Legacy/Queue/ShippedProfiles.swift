extension QueueProfile {
    /// The texts of the profiles that come with Bailey, by name; they are part of the program, which so needs no files beside it.
    public static var shipped: [String: String] {
        ["background_jobs": String(decoding: PackageResources.background_jobs_yaml, as: UTF8.self)]
    }
}
