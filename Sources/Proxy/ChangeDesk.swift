internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Synchronization
internal import Topology

/// Changes of the plan between the control thread, which asks for them and puts them into effect, and the thread that prepares them:
/// reading files, looking up names and starting threads take their time, and checks do not wait for them.
final class ChangeDesk: Sendable {
  /// What the control thread asks for.
  enum Request {
    /// The topology read again, to take the place of what serves now.
    case reload(from: Generation)
    /// Another process of the program is to take over from this one.
    case handOver(Generation)
    /// What it is told, when it is prepared; nil: this one stops.
    case state([UInt8]?)
    /// One that is in use now: what watches its files and names begins, and who takes its commands.
    case begin(Generation)
    /// One that does not come into use: it ends.
    case end(Generation)
  }

  /// What came of it.
  enum Outcome {
    /// Ready to serve; its workers wait.
    case prepared(Generation)
    /// The plan is the same; the digest of the files.
    case same(digest: String)
    /// It cannot be; nothing has changed.
    case refused(String)
    /// Another process is prepared, and wants to know what this one knows.
    case wantsState
    /// It serves.
    case handedOver(HandOver.Taken)
    /// It does not; nothing has changed.
    case notHandedOver(String)
  }

  private let requests = Mutex<[Request]>([])
  private let outcomes = Mutex<[Outcome]>([])
  private let bell = cr_blocking_eventfd()

  deinit { if bell >= 0 { _ = cr_close(bell) } }

  /// On the control thread.
  func ask(_ request: Request) {
    requests.withLock { $0.append(request) }
    cr_eventfd_wake(bell)
  }

  /// On the control thread.
  func takeOutcomes() -> [Outcome] {
    outcomes.withLock { outcomes in
      defer { outcomes = [] }
      return outcomes
    }
  }

  /// On the thread that prepares: waits for what is asked for.
  fileprivate func take() -> [Request] {
    cr_eventfd_clear(bell)
    return requests.withLock { requests in
      defer { requests = [] }
      return requests
    }
  }

  fileprivate func answer(_ outcome: Outcome) { outcomes.withLock { $0.append(outcome) } }

  fileprivate var works: Bool { bell >= 0 }
}

/// The thread that prepares changes.
final class ChangeThread: Sendable {
  private let process: ProcessShared
  private let options: NodeOptions
  private let log: AccessLog?
  private let logger: Logger

  init(process: ProcessShared, options: NodeOptions, log: AccessLog?, logger: Logger) {
    self.process = process
    self.options = options
    self.log = log
    self.logger = logger
  }

  /// Starts it.
  func start() throws(ThreadFailure) {
    guard process.changes.works else { throw ThreadFailure(name: "changes", code: -EMFILE) }
    try ServiceThread.start("changes") { self.run() }
  }

  private func run() {
    var waiting: [ChangeDesk.Request] = []
    while true {
      if waiting.isEmpty { waiting = process.changes.take() }
      while !waiting.isEmpty {
        switch waiting.removeFirst() {
        case .handOver(let generation):
          process.changes.answer(handOver(generation, &waiting))
          process.controlWaker.wake()
        // Of a hand-over that has come to nothing meanwhile.
        case .state: break
        case .reload(let before):
          process.changes.answer(reload(before))
          process.controlWaker.wake()
        case .begin(let generation):
          do throws(ThreadFailure) {
            try generation.startBeside(readsAgain: true)
          } catch {
            logger.error("\(generation.plan.name): \(error)")
          }
        case .end(let generation): generation.abandon()
        }
      }
    }
  }

  private func reload(_ before: Generation) -> ChangeDesk.Outcome {
    guard let source = options.source else { return .same(digest: before.plan.digest) }
    do throws(NodeError) {
      let plan = try source()
      var same = plan
      same.digest = before.plan.digest
      if same == before.plan { return .same(digest: plan.digest) }
      return .prepared(try prepare(plan, before))
    } catch {
      return .refused(error.description)
    }
  }

  private func handOver(_ generation: Generation, _ waiting: inout [ChangeDesk.Request]) -> ChangeDesk.Outcome {
    do throws(NodeError) {
      let taken = try HandOver(generation: generation, options: options, log: log).run {
        process.changes.answer(.wantsState)
        process.controlWaker.wake()
        while true {
          for request in process.changes.take() {
            guard case .state(let bytes) = request else {
              waiting.append(request)
              continue
            }
            return bytes.map { $0.isEmpty ? -1 : cr_memory_file($0, $0.count) }
          }
        }
      }
      return .handedOver(taken)
    } catch {
      return .notHandedOver(error.description)
    }
  }

  /// Everything that can fail happens here, before anything changes.
  private func prepare(_ plan: NodePlan, _ before: Generation) throws(NodeError) -> Generation {
    guard plan.role == before.plan.role else {
      throw NodeError(
        kind: .configuration,
        description:
          "\(plan.name) is \(before.plan.role.rawValue) here and \(plan.role.rawValue) in the file: stop it and start the other"
      )
    }
    let next = try Generation(
      plan: plan, process: process, options: options, before: before, logger: logger)
    do throws(NodeError) {
      try next.takeLock(before: before)
      try next.openSockets(there: before.allSockets, admin: before.admin, page: before.page)
      try next.startWorkers(log: log)
    } catch {
      next.abandon()
      throw error
    }
    return next
  }
}
