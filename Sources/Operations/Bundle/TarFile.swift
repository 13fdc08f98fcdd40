import Foundation
import Processes

/// A tar file (POSIX ustar) as it is written, a part after another, each hashed on its way.
struct TarWriter {
    private let file: FileHandle
    private(set) var digests: [(name: String, digest: String)] = []

    /// Writes into a file that is open for writing and empty.
    init(_ file: FileHandle) { self.file = file }

    /// Adds a part of bytes that are there.
    mutating func add(_ name: String, _ bytes: some Sequence<UInt8>) throws {
        let bytes = Array(bytes)
        try add(name) { write in try write(bytes) }
    }

    /// Adds a part whose bytes are written one after the other.
    mutating func add(_ name: String, _ body: (_ write: ([UInt8]) throws -> Void) throws -> Void) throws {
        let place = try file.offset()
        try file.write(contentsOf: Data(count: 512))
        var hash = SHA256()
        var size: UInt64 = 0
        try body { bytes in
            hash.update(bytes)
            size += UInt64(bytes.count)
            try file.write(contentsOf: Data(bytes))
        }
        try file.write(contentsOf: Data(count: Int((512 - size % 512) % 512)))
        let end = try file.offset()
        try file.seek(toOffset: place)
        try file.write(contentsOf: Data(try TarHeader(name: name, size: size).bytes()))
        try file.seek(toOffset: end)
        digests.append((name, hash.hex()))
    }

    /// Ends the file.
    func end() throws { try file.write(contentsOf: Data(count: 1024)) }
}

/// Why a file is no tar file of ours.
struct TarFault: Error, CustomStringConvertible {
    let description: String
}

/// The head of a part.
struct TarHeader {
    let name: String
    let size: UInt64

    init(name: String, size: UInt64) {
        self.name = name
        self.size = size
    }

    /// Eight gigabytes: the format's own limit.
    static let most: UInt64 = 0o77_777_777_777

    func bytes() throws -> [UInt8] {
        guard size <= TarHeader.most else { throw TarFault(description: "\(name) is larger than 8 GB") }
        var bytes = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at place: Int) {
            bytes.replaceSubrange(place..<place + text.utf8.count, with: text.utf8)
        }
        func octal(_ value: UInt64, _ width: Int) -> String {
            let digits = String(value, radix: 8)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let (prefix, rest) = try TarHeader.split(name)
        put(rest, at: 0)
        put("0000644", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        put(octal(size, 11), at: 124)
        // The same evidence gives the same bytes: the time is in the documents.
        put(octal(0, 11), at: 136)
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put(prefix, at: 345)
        put(octal(TarHeader.sum(bytes), 6), at: 148)
        bytes[154] = 0
        bytes[155] = 0x20
        return bytes
    }

    /// Reads a head; nil of the zeros at the end.
    static func read(_ bytes: [UInt8]) throws -> TarHeader? {
        if bytes.allSatisfy({ $0 == 0 }) { return nil }
        func text(_ range: Range<Int>) -> String {
            String(decoding: bytes[range].prefix { $0 != 0 }, as: UTF8.self)
        }
        guard text(257..<263) == "ustar", text(263..<265) == "00",
            let sum = UInt64(text(148..<155).trimmingCharacters(in: .whitespaces), radix: 8),
            sum == TarHeader.sum(bytes)
        else { throw TarFault(description: "a head of the tar file is damaged") }
        let name = [text(345..<500), text(0..<100)].filter { !$0.isEmpty }.joined(separator: "/")
        guard bytes[156] == UInt8(ascii: "0"), let size = UInt64(text(124..<136), radix: 8), !name.isEmpty,
            !name.hasPrefix("/"), !name.split(separator: "/").contains("..")
        else { throw TarFault(description: "the tar file has a part that is no plain file: “\(name)”") }
        return TarHeader(name: name, size: size)
    }

    /// The sum of a head's bytes, those of the sum itself as blanks.
    private static func sum(_ bytes: [UInt8]) -> UInt64 {
        bytes.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 0x20 : UInt64($1.element)) }
    }

    /// A name of more than 100 bytes is told as a folder and what is in it.
    private static func split(_ name: String) throws -> (prefix: String, name: String) {
        if name.utf8.count <= 100 { return ("", name) }
        var place = name.startIndex
        while let slash = name[place...].firstIndex(of: "/") {
            let rest = name[name.index(after: slash)...]
            let prefix = name[..<slash]
            if rest.utf8.count <= 100, prefix.utf8.count <= 155 { return (String(prefix), String(rest)) }
            place = name.index(after: slash)
        }
        throw TarFault(description: "the name \(name) is too long for a tar file")
    }
}

/// A tar file as it is read, a part after another.
struct TarReader {
    private let file: FileHandle

    init(_ file: FileHandle) { self.file = file }

    /// Gives each part: its name, and its bytes a piece after another. Afterwards nothing but zeros may follow.
    func each(_ begin: (TarHeader) throws -> (_ piece: [UInt8]) throws -> Void, end: () throws -> Void) throws {
        while true {
            let head = try exactly(512, "a head")
            guard let header = try TarHeader.read(head) else { break }
            let take = try begin(header)
            var left = header.size
            while left > 0 {
                let piece = try exactly(Int(min(left, 1 << 20)), "the part \(header.name)")
                try take(piece)
                left -= UInt64(piece.count)
            }
            let padding = try exactly(Int((512 - header.size % 512) % 512), "the part \(header.name)")
            guard padding.allSatisfy({ $0 == 0 }) else {
                throw TarFault(description: "there are bytes between the parts, after \(header.name)")
            }
            try end()
        }
        while let rest = try file.read(upToCount: 1 << 20), !rest.isEmpty {
            guard rest.allSatisfy({ $0 == 0 }) else {
                throw TarFault(description: "there are bytes after the end of the tar file")
            }
        }
    }

    private func exactly(_ count: Int, _ what: String) throws -> [UInt8] {
        guard count > 0 else { return [] }
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let more = try file.read(upToCount: count - bytes.count), !more.isEmpty else {
                throw TarFault(description: "the file ends within \(what)")
            }
            bytes += more
        }
        return bytes
    }
}
