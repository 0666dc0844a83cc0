import Glibc
import NIOCore
import Synchronization

/// What all connections of a demo server share.
final class ServerState: Sendable {
  let options: DemoServerOptions
  private let sessions: Mutex<SessionStore>
  private let connections = Mutex<[ObjectIdentifier: any Channel]>([:])
  private let date = Mutex<(seconds: Int, text: String)>((-1, ""))
  /// Once true, answers carry `Connection: close`.
  private let closing = Atomic<Bool>(false)
  private let inFlight = Atomic<Int>(0)
  private let checkFiles = Mutex(CheckFiles())

  init(options: DemoServerOptions) {
    self.options = options
    sessions = Mutex(SessionStore(idle: options.sessionIdle, countMax: options.sessionsMax))
  }

  /// True once a stop, soft or not, has begun.
  var isClosing: Bool { closing.load(ordering: .relaxed) }

  /// From now on answers end their connections.
  func beginClosing() { closing.store(true, ordering: .relaxed) }

  /// Requests whose head was read and whose answer is not written yet.
  var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }

  func requestBegan() { inFlight.add(1, ordering: .relaxed) }

  func requestEnded() { inFlight.subtract(1, ordering: .relaxed) }

  /// Counts a visit of the session that one of the cookies names, or begins one.
  func visit(cookies: [SessionID]) -> SessionStore.Visit {
    let now = ContinuousClock.now
    return sessions.withLock {
      var random = SystemRandomNumberGenerator()
      return $0.visit(candidates: cookies, now: now, random: &random)
    }
  }

  /// Takes a request for the path that checks ask for, and tells what changed.
  func takeCheck(method: String, path: String, isDirect: Bool) -> CheckFiles.Outcome {
    let outcome = checkFiles.withLock { $0.take(method: method, path: path, isDirect: isDirect) }
    switch outcome {
    case .removed: log("\(path) was removed, who asks for it gets 404")
    case .made: log("\(path) is there again")
    case .none, .missing, .kept, .refused: break
    }
    return outcome
  }

  /// Writes an event to standard error.
  func log(_ event: String) {
    let line = "\(WallClock.timestamp()) \(options.name): \(event)\n"
    _ = line.withCString { write(2, $0, strlen($0)) }
  }

  /// The Date header's value, made once a second.
  func httpDate() -> String {
    let now = WallClock.seconds()
    return date.withLock {
      if $0.seconds != now { $0 = (now, WallClock.httpDate(now)) }
      return $0.text
    }
  }

  func opened(_ channel: any Channel) {
    connections.withLock { $0[ObjectIdentifier(channel)] = channel }
  }

  func closed(_ channel: any Channel) {
    connections.withLock { $0[ObjectIdentifier(channel)] = nil }
  }

  /// Every connection open now, in no order.
  var openConnections: [any Channel] { connections.withLock { Array($0.values) } }
}
