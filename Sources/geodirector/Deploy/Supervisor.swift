import DemoServer
import Glibc
import Proxy
import Topology

/// Runs the processes of a network until a signal stops it (SIGHUP and SIGUSR2 go to the nodes). One thread, one loop.
struct Supervisor {
  private var nodes: [SupervisedNode]
  private let topology: Topology
  private let report: DeployReport
  /// Becomes readable with each signal.
  private let signals: Int32
  /// Standard input of every child; its other end is `lifelineEnd`, which closes when this process ends.
  private let lifeline: Int32
  private let lifelineEnd: Int32
  private var showedTable = false
  /// Standard input was a terminal at the start.
  private let hadTerminal = isatty(0) == 1

  /// How long the table waits for nodes that are still starting.
  private static let settling = Duration.seconds(15)
  /// How long a tier may take to stop before it is killed.
  private static let stopping = Duration.seconds(15)

  init(nodes: [SupervisedNode], topology: Topology, report: DeployReport) throws {
    self.nodes = nodes
    self.topology = topology
    self.report = report
    signals = ProcessSignals.descriptor([SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD])
    _ = fcntl(signals, F_SETFL, O_NONBLOCK)
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw DeployFailure.runtime("no pipe: \(String(cString: strerror(errno)))") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    lifeline = ends[0]
    lifelineEnd = ends[1]
    Orphans.adopt()
  }

  /// Starts everything, tells what happens, and stops everything on a signal.
  mutating func run() throws {
    let began = ContinuousClock.now
    // The servers first, so that the first check of a balancer finds them.
    for index in nodes.indices.reversed() { try start(index) }
    while true {
      let isSettled = !nodes.contains { $0.state == .starting }
      if !showedTable, isSettled || began.duration(to: .now) > Self.settling { showTable() }
      wait(milliseconds: showedTable && isSettled ? 500 : 20)
      if takeStopSignal() { break }
      collect()
      probe()
      if showedTable, nodes.allSatisfy({ !isWorthWaitingFor($0) }) {
        throw DeployFailure.runtime("no node could be started")
      }
    }
    stop()
  }

  private func isWorthWaitingFor(_ node: SupervisedNode) -> Bool {
    // Once something ran, stopped nodes may be started again by their commands.
    everReady || node.child != nil
  }

  private var everReady = false

  private mutating func start(_ index: Int) throws {
    if nodes[index].state == .external {
      report.event(.external, node: nodes[index], text: nil)
      return
    }
    nodes[index].isAddressTaken = nodes[index].addresses.first.map { AddressProbe.answers($0) } ?? false
    let child = try ChildProcess.start(arguments: nodes[index].arguments + ["--supervised"], lifeline: lifeline)
    nodes[index].child = child
    nodes[index].pid = child.pid
    report.event(.started, node: nodes[index], text: nil)
  }

  private mutating func showTable() {
    showedTable = true
    if report.format == .text {
      DeployReport.write(DeployReport.table(nodes))
      for node in nodes {
        if case .stopped = node.state { tellStopped(node) }
      }
      DeployReport.write(DeployReport.examples(topology))
    }
    report.event(.running, node: nil, text: nil)
  }

  /// Sleeps until a signal, an output or the time.
  private func wait(milliseconds: Int32) {
    var waiting = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
    for node in nodes {
      if let child = node.child { waiting.append(pollfd(fd: child.errorOutput, events: Int16(POLLIN), revents: 0)) }
    }
    _ = poll(&waiting, nfds_t(waiting.count), milliseconds)
  }

  /// Reads all signals; true when one of them asks to stop. SIGHUP is passed on to the nodes, unless it tells that the terminal is gone,
  /// and so is SIGUSR2.
  private func takeStopSignal() -> Bool {
    var asked = false
    var byte: UInt8 = 0
    while read(signals, &byte, 1) == 1 {
      switch Int32(byte) {
      case SIGCHLD: break
      case SIGHUP where !hadTerminal || isatty(0) == 1:
        passOn(SIGHUP, .reloading, "the nodes read the topology again")
      case SIGUSR2: passOn(SIGUSR2, .handingOver, "the nodes hand over to new processes")
      default: asked = true
      }
    }
    return asked
  }

  private func passOn(_ signal: Int32, _ event: DeployEvent, _ text: String) {
    report.event(event, node: nil, text: text)
    for node in nodes where node.role != .demoServer {
      if let child = node.child { kill(child.pid, signal) }
    }
  }

  /// The process that a node was handed over to, if there is one.
  private func successor(of node: SupervisedNode) -> pid_t? {
    let known = nodes.compactMap { $0.child?.pid }
    return Successor.find(
      arguments: node.arguments + ["--supervised"], parents: [getpid()] + [node.child?.pid].compactMap { $0 },
      known: known)
  }

  /// Passes on what the children wrote, and notes those that ended.
  private mutating func collect() {
    for index in nodes.indices {
      guard let child = nodes[index].child else { continue }
      // The ending first: what the process wrote before it is then in the pipe.
      let ending = child.ending()
      passOn(child.drainErrorOutput(), of: index, isLast: ending != nil)
      guard let ending else { continue }
      if ending == .exited(0), let next = successor(of: nodes[index]) {
        nodes[index].child = ChildProcess(pid: next, errorOutput: child.errorOutput)
        nodes[index].pid = next
        report.event(.replaced, node: nodes[index], text: "\(nodes[index].name) goes on as process \(next)")
        continue
      }
      close(child.errorOutput)
      nodes[index].child = nil
      nodes[index].state = .stopped(silent: false)
      nodes[index].ending = ending
      if showedTable || report.format == .json { tellStopped(nodes[index]) }
    }
  }

  private func tellStopped(_ node: SupervisedNode) {
    guard let ending = node.ending else { return }
    let how = ending.text
    let reason = ending.isFailure && !node.lastLine.isEmpty ? ": \(node.lastLine)" : ""
    let pid = node.pid.map { " (pid \($0))" } ?? ""
    report.event(
      .stopped, node: node, text: "\(node.name)\(pid) \(how)\(reason)\n         start it again: \(node.restartCommand)",
      details: [("how", how), ("reason", ending.isFailure ? node.lastLine : nil), ("restart", node.restartCommand)])
  }

  private mutating func passOn(_ bytes: [UInt8], of index: Int, isLast: Bool) {
    nodes[index].partialLine += bytes
    var lines = nodes[index].partialLine.split(
      separator: UInt8(ascii: "\n"), maxSplits: .max, omittingEmptySubsequences: false)
    // What stands behind the last line end waits for its own, unless it is long or the last.
    let rest = lines.removeLast()
    nodes[index].partialLine = Array(rest)
    if isLast || rest.count > 16_384 {
      lines.append(rest)
      nodes[index].partialLine = []
    }
    for line in lines where !line.isEmpty {
      let text = String(decoding: line, as: UTF8.self)
      // A failure's line begins with the program's and the node's name, which the event says itself.
      var reason = text[...]
      for prefix in ["geodirector: ", "\(nodes[index].name): "] where reason.hasPrefix(prefix) {
        reason = reason.dropFirst(prefix.count)
      }
      nodes[index].lastLine = String(reason)
      if showedTable { StandardError.write(text + "\n") }
    }
  }

  /// Looks which addresses answer.
  private mutating func probe() {
    for index in nodes.indices {
      guard let address = nodes[index].addresses.first else { continue }
      switch nodes[index].state {
      case .starting:
        guard !nodes[index].isAddressTaken, AddressProbe.answers(address) else { continue }
        nodes[index].state = .ready
        everReady = true
        report.event(.ready, node: nodes[index], text: showedTable ? "\(nodes[index].name) is ready" : nil)
      case .stopped(let silent):
        let answers = AddressProbe.answers(address)
        if !answers {
          nodes[index].state = .stopped(silent: true)
        } else if silent {
          nodes[index].state = .elsewhere
          report.event(.back, node: nodes[index], text: "\(nodes[index].name) is back (pid unknown, started elsewhere)")
        }
      case .elsewhere:
        guard !AddressProbe.answers(address) else { continue }
        nodes[index].state = .stopped(silent: true)
        report.event(
          .gone, node: nodes[index],
          text: "\(nodes[index].name) is gone again\n         start it again: \(nodes[index].restartCommand)",
          details: [("restart", nodes[index].restartCommand)])
      case .ready, .external: continue
      }
    }
  }

  /// Stops tier by tier from the users inwards, so that no node loses the servers behind it while it still has requests.
  private mutating func stop() {
    report.event(.stopping, node: nil, text: "stopping")
    var mayWait = true
    for role in DeployRole.allCases {
      let tier = nodes.indices.filter { nodes[$0].role == role }
      for index in tier {
        guard let child = nodes[index].child else { continue }
        if let next = successor(of: nodes[index]) { kill(next, SIGTERM) }
        kill(child.pid, SIGTERM)
      }
      let deadline = ContinuousClock.now + Self.stopping
      while tier.contains(where: { nodes[$0].child != nil }) {
        wait(milliseconds: 50)
        // A second Ctrl-C: the person does not want to wait.
        if takeStopSignal() { mayWait = false }
        collectQuietly(tier)
        if !mayWait || ContinuousClock.now >= deadline { killTier(tier) }
      }
    }
    report.event(.done, node: nil, text: "stopped")
  }

  private mutating func collectQuietly(_ tier: [Int]) {
    for index in tier {
      guard let child = nodes[index].child else { continue }
      let ending = child.ending()
      _ = child.drainErrorOutput()
      guard let ending else { continue }
      if let next = successor(of: nodes[index]) {
        nodes[index].child = ChildProcess(pid: next, errorOutput: child.errorOutput)
        nodes[index].pid = next
        continue
      }
      close(child.errorOutput)
      nodes[index].child = nil
      nodes[index].state = .stopped(silent: true)
      let isClean = ending == .exited(0)
      report.event(
        .stopped, node: nodes[index], text: isClean ? nil : "\(nodes[index].name) \(ending.text)",
        details: [("how", ending.text)])
    }
  }

  private func killTier(_ tier: [Int]) {
    for index in tier {
      guard let child = nodes[index].child else { continue }
      kill(child.pid, SIGKILL)
      report.event(
        .killed, node: nodes[index], text: "\(nodes[index].name) (pid \(child.pid)) did not stop and was killed")
    }
  }
}
