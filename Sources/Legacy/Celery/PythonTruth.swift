import LosslessJSON

/// Python's truth of a JSON value.
func isTruthy(_ value: JSON) -> Bool {
    switch value {
    case .null: false
    case .bool(let flag): flag
    case .number(let number): number.double != 0
    case .string(let text): !text.isEmpty
    case .array(let items): !items.isEmpty
    case .object(let object): !object.isEmpty
    }
}
