import Foundation

/// Calls a function with C strings that live as long as the call.
func withCStrings<Value>(_ texts: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Value) -> Value {
    let copies = texts.map { $0.map { strdup($0) } ?? nil }
    defer { for copy in copies { free(copy) } }
    let pointers = copies.map { UnsafePointer($0) }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
}

/// What `poll` needs to wait for input on a socket.
func pollDescriptor(_ socket: Int32) -> pollfd { pollfd(fd: socket, events: Int16(POLLIN), revents: 0) }
