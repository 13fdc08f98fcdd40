import Airflow
import ArgumentParser
import Cutover
import Legacy
import Operations
import Postgres
import Redis
import Settings
import Shadow
import Store
import Warehouse

/// What a command ends with.
public enum ExitStatus: Int32, Sendable {
    case done = 0
    case doesNotHold = 1
    case usage = 2
    case unreachable = 3
    case interrupted = 130
    case defect = 70

    /// The status of an error, and the lines for people.
    public static func of(_ error: any Error) -> (status: ExitStatus, lines: [String]) {
        if let error = error as? SettingsError { return (.usage, error.problems.map(\.description)) }
        let (status, message) = one(error)
        return (status, [message])
    }

    private static func one(_ error: any Error) -> (status: ExitStatus, message: String) {
        switch error {
        case let error as OperationFailure: (error.status, error.message)
        case let error as UnusableSource: (.usage, error.description)
        case let error as RedisError:
            (error.code == .badURL ? .usage : .unreachable, error.description)
        case let error as PostgresError:
            (error.code == .badURL ? .usage : .unreachable, error.description)
        case let error as WarehouseError: (error.kind == .foreign ? .doesNotHold : .unreachable, error.description)
        case let error as AirflowError:
            (error.code == .badURL ? .usage : .unreachable, error.description)
        case let error as Refusal: (error.reason.isOfSettings ? .usage : .doesNotHold, error.description)
        case let error as SwitchError: (.doesNotHold, error.description)
        // A disk that is full or closed is a system that refuses, no defect.
        case let error as StoreError: (.unreachable, error.description)
        case let error as AirflowShadowError: (.doesNotHold, error.description)
        case let error as DeliveryError: (.unreachable, error.description)
        case let error as DAGFolderError: (.unreachable, error.description)
        case is CancellationError: (.interrupted, "Interrupted; nothing is left running.")
        default: (.defect, "\(error)")
        }
    }
}

extension OperationFailure {
    fileprivate var status: ExitStatus {
        switch kind {
        case .doesNotHold: .doesNotHold
        case .usage: .usage
        case .unreachable: .unreachable
        case .defect: .defect
        }
    }
}
