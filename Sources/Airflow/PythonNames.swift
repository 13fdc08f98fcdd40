import Migration

/// The names that a generated file gives to its tasks: each once, and none that hides what the file uses.
struct PythonNames {
    /// The names of one task.
    struct Names {
        /// The function that is its body.
        let function: String
        /// What it is bound to: its id, as Airflow's linters want it, where that is a name that nothing else has.
        let variable: String
        /// The id and the function of the task that takes its jobs, and what that is bound to.
        let takeID: String
        let take: String
        let jobs: String
        /// What the task is bound to that lists the items for each of which it runs.
        let items: String
    }

    private var names: [String: Names] = [:]
    /// The task that waits for jobs in a file without a gate: its id, its function, and what it is bound to.
    private(set) var waiter = (id: "", function: "", variable: "")

    /// Names for tasks.
    ///
    /// - Parameter code: what else stands in the file; none of its words is given to a task.
    init(_ tasks: [TaskDefinition], beside code: String) {
        var taken = PythonNames.words(code).union(PythonNames.language).union(["gate", "task"])
        var ids = Set(tasks.map(\.id)).union(["gate"])
        func unique(_ wanted: String, _ taken: inout Set<String>) -> String {
            var name = wanted
            while !taken.insert(name).inserted { name += "_" }
            return name
        }
        // The ids first: a task keeps its own, whatever is made for those before it.
        let free = Set(tasks.map(\.id).filter { PythonNames.isName($0) && !taken.contains($0) })
        taken.formUnion(free)
        for task in tasks {
            let function = unique(PythonNames.function(task.id), &taken)
            names[task.id] = Names(
                function: function,
                variable: free.contains(task.id) ? task.id : unique(function + "_task", &taken),
                takeID: unique("take_" + task.id, &ids),
                take: unique("take_" + function, &taken),
                jobs: unique(function + "_jobs", &taken),
                items: unique(function + "_items", &taken)
            )
        }
        waiter = (
            unique("wait_for_jobs", &ids), unique("run_wait_for_jobs", &taken), unique("jobs_are_due", &taken)
        )
    }

    /// The names of a task of the file.
    subscript(id: String) -> Names {
        names[id]
            ?? Names(
                function: "run_",
                variable: "run_task",
                takeID: "take_",
                take: "take_run_",
                jobs: "run_jobs",
                items: "run_items"
            )
    }

    private static func function(_ id: String) -> String {
        var name = ""
        for character in id {
            name.append(character.isASCII && (character.isLetter || character.isNumber) ? character : "_")
        }
        return "run_" + name + (name == id ? "" : "_" + StableDigest(id).description.prefix(4))
    }

    /// Whether a text can be a variable; functions and helpers have names of their own kinds.
    private static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, !(48...57).contains(first) else { return false }
        return !text.hasPrefix("run_") && !text.hasPrefix("take_") && !text.hasPrefix("_")
            && text.utf8.allSatisfy(isPart)
    }

    /// The words of a text of Python outside its comments and plain strings.
    static func words(_ code: String) -> Set<String> {
        let bytes = Array(code.utf8)
        var found: Set<String> = []
        var at = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "#"):
                while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                // One that is formatted holds code, so its words count.
                let isFormatted = at > 0 && bytes[at - 1] == UInt8(ascii: "f")
                let end = stringEnd(bytes, at)
                if isFormatted { found.formUnion(wordsOnly(bytes[at..<end])) }
                at = end
            case let byte where isPart(byte):
                let end = bytes[at...].firstIndex { !isPart($0) } ?? bytes.count
                found.insert(String(decoding: bytes[at..<end], as: UTF8.self))
                at = end
            default: at += 1
            }
        }
        return found
    }

    private static func wordsOnly(_ bytes: ArraySlice<UInt8>) -> Set<String> {
        Set(bytes.split { !isPart($0) }.map { String(decoding: $0, as: UTF8.self) })
    }

    /// Where the string literal ends that begins there.
    private static func stringEnd(_ bytes: [UInt8], _ start: Int) -> Int {
        let quote = bytes[start]
        let isTriple = bytes.count >= start + 3 && bytes[start..<start + 3].allSatisfy { $0 == quote }
        let width = isTriple ? 3 : 1
        var at = start + width
        while at + width <= bytes.count {
            if bytes[at..<at + width].allSatisfy({ $0 == quote }) { return at + width }
            at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
        }
        return bytes.count
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte) || byte == 95
    }

    /// What Python itself gives a meaning to, up to 3.14.
    private static let language = words(
        """
        False None True _ and as assert async await break case class continue def del elif else except finally for
        from global if import in is lambda match nonlocal not or pass raise return try type while with yield
        ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError
        BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError
        ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning
        EnvironmentError Exception ExceptionGroup False FileExistsError FileNotFoundError FloatingPointError
        FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError IndexError InterruptedError
        IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError None
        NotADirectoryError NotImplemented NotImplementedError OSError OverflowError PendingDeprecationWarning
        PermissionError ProcessLookupError PythonFinalizationError RecursionError ReferenceError ResourceWarning
        RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError SystemExit
        TabError TimeoutError True TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError
        UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning WindowsError ZeroDivisionError abs aiter
        all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex copyright
        credits delattr dict dir divmod enumerate eval exec exit filter float format frozenset getattr globals
        hasattr hash help hex id input int isinstance issubclass iter len license list locals map max memoryview min
        next object oct open ord pow print property quit range repr reversed round set setattr slice sorted
        staticmethod str sum super tuple type vars zip
        """
    )
}
