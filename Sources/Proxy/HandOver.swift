internal import CReactor
internal import Glibc
internal import Operations
internal import Synchronization
internal import Topology

/// Starts another process of the program and hands the sockets over to it (`HandOverLine`). On the thread that prepares changes.
struct HandOver {
  /// The program and its words: those of this process.
  let command: [String]
  /// Who starts it; -1: this process.
  let keeper: Int32
  let generation: Generation
  /// The access log's descriptor, and its path, if it is a file.
  let log: (path: String, descriptor: Int32)?
  /// How long the other process may take until it is prepared.
  let milliseconds: Int32
  /// How long it may take to serve then.
  private static let readyMilliseconds: Int32 = 10_000

  /// Who has taken over, the sockets that it does not use, and the line by which it tells this process what else concerns it.
  struct Taken {
    var process: Int32
    var unused: [String]
    var line: HandOverLine
  }

  init(generation: Generation, options: NodeOptions, log: AccessLog?) {
    command = options.command
    keeper = options.keeper
    self.generation = generation
    if case .file(let path) = options.accessLog, let log {
      self.log = (path, log.descriptor)
    } else {
      self.log = nil
    }
    milliseconds = Int32(clamping: Int(max(3, 60 * generation.plan.timeScale) * 1_000))
  }

  /// - Parameter state: what this process knows, as a file in memory; asked when the other one is prepared. Nil: this one goes on by itself.
  func run(state: () -> Int32?) throws(NodeError) -> Taken {
    guard let program = command.first else {
      throw NodeError(kind: .system, description: "the program's path is not known")
    }
    var ends: [Int32] = [-1, -1]
    guard cr_socket_pair(&ends) == 0 else {
      throw NodeError(kind: .system, description: "no socket: \(String(cString: strerror(errno)))")
    }
    let line = HandOverLine(descriptor: ends[0])
    let process = spawn(program, ends[1])
    _ = cr_close(ends[1])
    guard process > 0 else {
      line.close()
      let isAlone = keeper >= 0 && (process == -EPIPE || process == -ECONNRESET || process == 0)
      let why = isAlone ? "its keeper has ended: restart the node" : String(cString: cr_error_text(process))
      throw NodeError(kind: .system, description: "\(program) cannot be started: \(why)")
    }
    do throws(NodeError) {
      // The line stays open: the other process sees by its end that this one has ended.
      return try speak(line, process, state)
    } catch {
      defer { line.close() }
      // Whatever it is doing: its sockets are those that this process goes on with.
      line.send(.withdrawn)
      let status = end(process)
      let ending = status == 128 + SIGKILL ? "" : "; it ended with \(status)"
      throw NodeError(
        kind: .system, description: "the new process \(process) did not take over: \(error.description)\(ending)")
    }
  }

  /// Ends the other process; how it ended, if it had already.
  private func end(_ process: Int32) -> Int32 {
    var status: Int32 = 0
    if keeper >= 0 {
      _ = cr_keeper_end(keeper, &status)
    } else {
      kill(process, SIGKILL)
      _ = cr_reap(process, &status)
    }
    return status
  }

  private func spawn(_ program: String, _ end: Int32) -> Int32 {
    if keeper >= 0 { return cr_keeper_spawn(keeper, end) }
    var words = command.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    return cr_spawn(program, &words, "\(HandOverLine.variable)=\(HandOverLine.target)", end, HandOverLine.target)
  }

  private func speak(_ line: HandOverLine, _ process: Int32, _ state: () -> Int32?) throws(NodeError) -> Taken {
    line.send(.header, HandOverLine.version)
    var entries = generation.allSockets.map { ("socket \($0.address)", $0.descriptor) }
    if generation.lock >= 0 { entries.append(("lock \(generation.lockName)", generation.lock)) }
    if let listener = generation.admin?.listener {
      entries.append(("admin \(listener.path)", listener.descriptor))
      // What is at the path may be somebody else's by now.
      entries.append(("admin-file \(listener.inode) \(listener.path)", listener.descriptor))
    }
    // Without its lock it is somebody else's.
    if let pid = generation.shared.process.pidFile.withLock({ $0 }), pid.isHeld {
      entries.append(("pid \(pid.path)", pid.descriptor))
    }
    for (number, before) in generation.shared.process.linesBefore.withLock({ $0 }).enumerated() {
      entries.append(("\(HandOverLine.before)\(number)", before))
    }
    if let log { entries.append(("log \(log.path)", log.descriptor)) }
    while !entries.isEmpty {
      let part = entries.prefix(HandOverLine.descriptorsMax)
      entries.removeFirst(part.count)
      line.send(.sockets, part.map(\.0).joined(separator: "\n"), part.map(\.1))
    }
    line.send(.end)
    try expect(.prepared, line, milliseconds)
    guard let file = state() else {
      throw NodeError(kind: .system, description: "this one stops")
    }
    defer { if file >= 0 { _ = cr_close(file) } }
    line.send(.state, "", file >= 0 ? [file] : [])
    let ready = try expect(.ready, line, Self.readyMilliseconds)
    // From here on it may write the pid file, take commands and check; its death is still noticed.
    line.send(.yours)
    try expect(.taken, line, Self.readyMilliseconds)
    return Taken(process: process, unused: ready.text.split(separator: "\n").map(String.init), line: line)
  }

  @discardableResult
  private func expect(_ kind: HandOverLine.Kind, _ line: HandOverLine, _ milliseconds: Int32) throws(NodeError)
    -> HandOverLine.Message
  {
    let message: HandOverLine.Message
    do throws(HandOverLine.Failure) {
      message = try line.receive(milliseconds: milliseconds)
    } catch {
      throw NodeError(kind: .system, description: error.description)
    }
    if message.kind == kind { return message }
    throw NodeError(kind: .system, description: message.kind == .failed ? message.text : "it spoke another language")
  }
}
