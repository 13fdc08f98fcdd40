import LosslessJSON

extension YAMLNode {
    /// Notes each key and text that holds a control character, or one that turns the direction of what follows: such a text is no name of
    /// anything, and is not what it looks like where it is shown.
    ///
    /// - Parameter except: keys whose values are prose.
    public func refuseControlCharacters(except: Set<String> = [], _ problems: Problems) {
        switch content {
        case .scalar(let text, _):
            guard let found = text.firstControlCharacter else { return }
            problems.note(self, "this text holds the character \(found), which no name may hold")
        case .sequence(let items): for item in items { item.refuseControlCharacters(except: except, problems) }
        case .mapping(let members):
            for member in members {
                if let found = member.key.firstControlCharacter {
                    problems.note(
                        Problem(
                            file: file,
                            line: member.line,
                            "this key holds the character \(found), which no name may hold"
                        )
                    )
                }
                if !except.contains(member.key) { member.value.refuseControlCharacters(except: except, problems) }
            }
        }
    }
}

extension String {
    /// The first misleading character, as `U+000A`; nil if there is none.
    public var firstControlCharacter: String? {
        unicodeScalars.first(where: \.isMisleading).map { scalar in
            let digits = String(scalar.value, radix: 16, uppercase: true)
            return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }
    }
}
