import Foundation

extension DAGFolder {
    /// Puts a text in its place unless the file there is not Bailey's as Bailey wrote it.
    func write(_ file: DAGDelivery.File) throws(DAGFolderError) -> Change {
        let change = DAGFolder.change(file, in: path)
        if change == .created || change == .updated { try replace(path + "/" + file.name, with: file.text) }
        return change
    }

    /// What putting a file would do.
    static func change(_ file: DAGDelivery.File, in folder: String) -> Change {
        guard let data = FileManager.default.contents(atPath: folder + "/" + file.name) else { return .created }
        let old = String(decoding: data, as: UTF8.self)
        if old == file.text { return .unchanged }
        switch DAGFile.origin(of: old) {
        case .untouched: return .updated
        case .edited: return .edited
        case .foreign: return .foreign
        }
    }
}
