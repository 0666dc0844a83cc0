internal import CReactor
internal import Glibc
internal import Logging
internal import Operations
internal import Reactor
internal import Synchronization

/// Where the workers of a plan wait for each other before they serve. They take descriptor tables of their own, with what they
/// need of what was open at that moment: everything others must reach by number is open before it.
final class StartLine: Sendable {
  private enum State: Int, AtomicRepresentable { case closed = 0, open = 1, givenUp = 2 }

  private let workers: Int
  private let ready = Atomic<Int>(0)
  private let separated = Atomic<Int>(0)
  private let state = Atomic<State>(.closed)

  init(workers: Int) { self.workers = workers }

  /// A worker is ready; true: all are. False: it comes to nothing.
  func awaitReady() -> Bool {
    ready.wrappingAdd(1, ordering: .acquiringAndReleasing)
    while ready.load(ordering: .acquiring) < workers {
      if state.load(ordering: .acquiring) == .givenUp { return false }
      cr_pause(1)
    }
    return true
  }

  /// A worker has its descriptors, and goes on when it is to serve. False: it comes to nothing.
  func pass() -> Bool {
    separated.wrappingAdd(1, ordering: .acquiringAndReleasing)
    while true {
      switch state.load(ordering: .acquiring) {
      case .open: return true
      case .givenUp: return false
      case .closed: cr_pause(1)
      }
    }
  }

  /// Until every worker has its descriptors. False: one could not start.
  func awaitAll() -> Bool {
    while separated.load(ordering: .acquiring) < workers {
      if state.load(ordering: .acquiring) == .givenUp { return false }
      cr_pause(1)
    }
    return true
  }

  /// The workers serve from now on.
  func open() { state.store(.open, ordering: .releasing) }

  /// The workers end without having served.
  func giveUp() { state.store(.givenUp, ordering: .releasing) }
}

/// What a worker's thread is started with.
final class WorkerStart: @unchecked Sendable {
  let shared: NodeShared
  let index: Int
  let workers: Int
  let applications: CompiledApplications
  let listeners: [Int32]
  let log: AccessLog?
  let slots: Int
  let line: StartLine

  init(
    shared: NodeShared, index: Int, workers: Int, applications: CompiledApplications, listeners: [Int32],
    log: AccessLog?, slots: Int, line: StartLine
  ) {
    self.shared = shared
    self.index = index
    self.workers = workers
    self.applications = applications
    self.listeners = listeners
    self.log = log
    self.slots = slots
    self.line = line
  }

  func launch() throws(ThreadFailure) {
    try ServiceThread.start("worker-\(index)") { self.run() }
  }

  private func run() {
    cr_thread_be_prompt()
    serve()
    // Not before the worker has gone with all that it held: who reads that none is left frees what they shared.
    shared.working.wrappingSubtract(1, ordering: .releasing)
    shared.controlWaker.wake()
  }

  private func serve() {
    do {
      var worker = try Worker(
        shared: shared, index: index, workers: workers, applications: applications.base, listeners: listeners, log: log,
        slots: slots)
      let waker = worker.reactor.waker
      shared.workerWakers.withLock { $0[index] = waker }
      if line.awaitReady() {
        if takeOwnDescriptors(worker.reactor.descriptors) { worker.ownsDescriptors = true }
        if line.pass() { worker.run() }
      }
      // Its descriptors close with it, and their numbers may come to stand for others.
      shared.workerWakers.withLock { $0[index] = nil }
    } catch {
      Logger(label: "geodirector").critical("worker \(index) could not start: \(error)")
      line.giveUp()
    }
  }

  /// Everything that is not the worker's is left out, so that what others close is closed.
  private func takeOwnDescriptors(_ reactor: [Int32]) -> Bool {
    var kept = listeners + reactor + shared.workerWakers.withLock { $0.compactMap { $0?.descriptor } }
    if let waker = shared.controlWaker.descriptor { kept.append(waker) }
    if let log { kept.append(log.wakeDescriptor) }
    kept.append(cr_signal_descriptor())
    guard cr_own_descriptors(&kept, Int32(kept.count)) >= 0 else { return false }
    shared.reactorDescriptors.withLock { $0[index] = reactor }
    return true
  }
}
