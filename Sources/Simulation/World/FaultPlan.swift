internal import Routing
internal import Topology

/// One change of the network at a moment.
struct TimedChange: Sendable {
  enum Kind: Sendable {
    case kill, revive, powerOff, powerOn
    /// A soft stop's end: no connection is taken any more, but what is in flight is finished.
    case retire
    case softStop, softStopEnds
    case checkFails, checkFailsEnds
    case drain(deadlineSeconds: Int64), drainEnds
    /// The deadline is over (1), or the drain is withdrawn and everybody knows (-1).
    case drainDeadline(Int16)
    case slow(Int64), slowEnds(Int64)
    case fail(share: Double, status: UInt16), failEnds
    case cut(forward: Bool, backward: Bool), heal(forward: Bool, backward: Bool)
    case cutPairs([World.PairCut]), healPairs([World.PairCut])
    case slowLink(Int64, Double), slowLinkEnds(Int64, Double)
    case lossy(Double), lossyEnds(Double)
    /// Nodes take over a file, as in `NetworkModel.versions`.
    case adopt(UInt8)
    /// Relays end and start again: with refusals while they are away, or in silence.
    case relaysEnd(silently: Bool), relaysStart(silently: Bool)
    /// Nothing changes: the moment is marked.
    case mark
  }
  var at: Int64
  var kind: Kind
  /// Elements, or links or relays where the kind is about those.
  var subjects: [Int32]
  /// How many faults begin (1) or end (-1) with it.
  var weight: Int

  /// Something may fail by it that checks have to notice.
  var isFailure: Bool {
    if case .softStop = kind { return true }
    return weight > 0
  }
}

/// A scenario's steps, laid out as changes in order of time.
struct FaultPlan {
  private(set) var changes: [TimedChange] = []
  private(set) var marks: [FaultMark] = []
  private let network: NetworkModel
  /// Files whose own elements have been started.
  private var started: Set<Int> = [0]

  init(_ network: NetworkModel, scenario: Scenario) {
    self.network = network
    for step in scenario.steps { add(step) }
    // Equal times in the order of the file.
    let order = changes.indices.sorted { (changes[$0].at, $0) < (changes[$1].at, $1) }
    changes = order.map { changes[$0] }
    marks.sort { $0.atNanoseconds < $1.atNanoseconds }
  }

  private mutating func add(
    _ at: Int64, _ until: Int64?, _ subjects: [Int32], _ begin: TimedChange.Kind, _ end: TimedChange.Kind
  ) {
    changes.append(TimedChange(at: at, kind: begin, subjects: subjects, weight: 1))
    if let until { changes.append(TimedChange(at: until, kind: end, subjects: subjects, weight: -1)) }
  }

  private func elements(_ names: [Located<String>]) -> [Int32] {
    var found: [Int32] = []
    for name in names {
      for element in network.elements(named: name.value) where !found.contains(element) { found.append(element) }
    }
    return found
  }

  private mutating func add(_ step: ScenarioStep) {
    let at = step.at.nanosecondsClamped
    var until = step.lasts.map { at + $0.nanosecondsClamped }
    switch step.fault {
    case .kill(let names): addEnd(at, until, names, silently: false)
    case .power(let names): addEnd(at, until, names, silently: true)
    case .restart(let names, let pause):
      until = at + pause.nanosecondsClamped
      addEnd(at, until, names, silently: false)
    case .cut(let ends, let oneWay): addCut(at, until, ends, oneWay: oneWay)
    case .slow(.link(let ends), let added, let divided):
      let link = link(ends).map { [$0.link] } ?? []
      let nanoseconds = added.nanosecondsClamped
      add(at, until, link, .slowLink(nanoseconds, divided), .slowLinkEnds(nanoseconds, divided))
    case .slow(.elements(let names), let added, _):
      add(at, until, elements(names), .slow(added.nanosecondsClamped), .slowEnds(added.nanosecondsClamped))
    case .lossy(let ends, let share):
      add(at, until, link(ends).map { [$0.link] } ?? [], .lossy(share), .lossyEnds(share))
    case .applicationErrors(let names, let share, let status):
      let servers = elements(names).filter { $0 >= network.firstServer }
      add(at, until, servers, .fail(share: share, status: UInt16(clamping: status)), .failEnds)
    case .checkFails(let names):
      add(at, until, elements(names).filter { $0 >= network.firstServer }, .checkFails, .checkFailsEnds)
    case .drain(let names, let deadline): addDrain(at, until, elements(names), deadline)
    case .rollingRestart(let names, let pause): until = addRolling(at, elements(names), pause.nanosecondsClamped)
    case .reload(let names):
      // What the file says has not changed, so nothing of the process does.
      changes.append(TimedChange(at: at, kind: .mark, subjects: elements(names), weight: 0))
      until = at
    case .rollout(let file, let order, let pause):
      until = addRollout(at, network.version(of: file), elements(order), pause.nanosecondsClamped)
    }
    marks.append(FaultMark(atNanoseconds: at, untilNanoseconds: until, text: FaultText.text(of: step.fault)))
  }

  /// Processes end, or machines lose their power.
  private mutating func addEnd(_ at: Int64, _ until: Int64?, _ names: [Located<String>], silently: Bool) {
    var relays: [Int32] = []
    for name in names { relays += network.relays(named: name.value).filter { !relays.contains($0) } }
    if !relays.isEmpty { add(at, until, relays, .relaysEnd(silently: silently), .relaysStart(silently: silently)) }
    let elements = elements(names)
    if relays.isEmpty || !elements.isEmpty {
      add(at, until, elements, silently ? .powerOff : .kill, silently ? .powerOn : .revive)
    }
  }

  private func link(_ ends: LinkEnds) -> Path? {
    guard let from = network.place(named: ends.from.value), let to = network.place(named: ends.to.value) else {
      return nil
    }
    return network.link(between: from, and: to)
  }

  private mutating func addCut(_ at: Int64, _ until: Int64?, _ ends: LinkEnds, oneWay: Bool) {
    if let path = link(ends) {
      let forward = path.isForward || !oneWay
      let backward = !path.isForward || !oneWay
      add(
        at, until, [path.link], .cut(forward: forward, backward: backward),
        .heal(forward: forward, backward: backward))
      return
    }
    var pairs: [World.PairCut] = []
    for from in network.elements(named: ends.from.value) {
      for to in network.elements(named: ends.to.value) where from != to {
        pairs.append(World.PairCut(from: from, to: to))
        if !oneWay { pairs.append(World.PairCut(from: to, to: from)) }
      }
    }
    add(at, until, [], .cutPairs(pairs), .healPairs(pairs))
  }

  private mutating func addDrain(_ at: Int64, _ until: Int64?, _ elements: [Int32], _ deadline: Duration?) {
    // Monitors tell a deadline in whole seconds.
    let seconds = deadline.map { max(1, (at + $0.nanosecondsClamped + 999_999_999) / 1_000_000_000) } ?? 0
    let last = deadline.map { _ in seconds * 1_000_000_000 }
    add(at, until, elements, .drain(deadlineSeconds: seconds), .drainEnds)
    guard let last else { return }
    for element in elements {
      // Who was told of the deadline goes by it until told that the drain is withdrawn: servers are asked for by their balancers at
      // once, nodes by their checkers.
      let told = until.map { $0 + (Int(element) < network.nodeCount ? relearning(element) : 0) } ?? .max
      guard last < told else { continue }
      changes.append(TimedChange(at: last, kind: .drainDeadline(1), subjects: [element], weight: 0))
      if until != nil {
        changes.append(TimedChange(at: told, kind: .drainDeadline(-1), subjects: [element], weight: 0))
      }
    }
  }

  /// The longest time until all who check an element know that it is back.
  private func relearning(_ element: Int32) -> Int64 {
    network.users[element].map { network.pools[Int($0.pool)].relearning }.max() ?? 0
  }

  /// Elements that only the new file knows are started with it; then one node after the other takes it over. Returns when the
  /// last one has.
  private mutating func addRollout(_ at: Int64, _ version: Int, _ elements: [Int32], _ pause: Int64) -> Int64 {
    let added = network.added.indices.contains(version) ? network.added[version] : []
    let nodes = elements.filter { Int($0) < network.nodeCount && !added.contains($0) }
    let last = at + Int64(max(0, nodes.count - 1)) * pause
    if started.insert(version).inserted {
      changes.append(TimedChange(at: at, kind: .revive, subjects: added, weight: 0))
    }
    for (index, node) in nodes.enumerated() {
      let time = at + Int64(index) * pause
      let weight = last == at ? 0 : time == at ? 1 : time == last ? -1 : 0
      changes.append(TimedChange(at: time, kind: .adopt(UInt8(version)), subjects: [node], weight: weight))
    }
    return last
  }

  /// One after the other: soft stop, the grace, the end, and a start; then the pause. An application server closes its
  /// admission port for as long as its balancers need to see that. It is one fault, its pauses are in it. Returns when all is
  /// over.
  private mutating func addRolling(_ at: Int64, _ elements: [Int32], _ pause: Int64) -> Int64 {
    var time = at
    for (index, element) in elements.enumerated() {
      let grace: Int64
      if Int(element) < network.nodeCount {
        grace = network.nodes[Int(element)].plan.grace.nanosecondsClamped
      } else {
        grace = network.users[element].map { network.pools[Int($0.pool)].longestBound(of: $0.server) }.max() ?? 0
      }
      let back = time + grace + ModelTimes.start
      let isLast = index == elements.count - 1
      changes.append(TimedChange(at: time, kind: .softStop, subjects: [element], weight: index == 0 ? 1 : 0))
      changes.append(TimedChange(at: time + grace, kind: .retire, subjects: [element], weight: 0))
      changes.append(TimedChange(at: back, kind: .revive, subjects: [element], weight: 0))
      changes.append(TimedChange(at: back, kind: .softStopEnds, subjects: [element], weight: isLast ? -1 : 0))
      time = back + pause
    }
    return elements.isEmpty ? at : time - pause
  }
}

extension PoolModel {
  /// The longest time any check of a candidate takes to see that something is closed.
  func longestBound(of server: Int32) -> Int64 {
    checks.filter { $0.server == server }.map(\.detectionBound).max() ?? 0
  }
}

/// Faults in a few words for people, names and amounts as the topology language writes them.
enum FaultText {
  static func text(of fault: Fault) -> String {
    switch fault {
    case .kill(let list): return "kill \(names(list))"
    case .power(let list): return "power \(names(list))"
    case .restart(let list, let pause): return "restart \(names(list)), pause \(pause.text)"
    case .cut(let ends, let oneWay): return "cut \(ends.from.value)\(oneWay ? ">" : ":")\(ends.to.value)"
    case .slow(.link(let ends), let added, let divided):
      var parts: [String] = []
      if added > .zero || divided == 1 { parts.append("by \(added.text)") }
      if divided != 1 { parts.append("bandwidth divided by \(plainNumber(divided))") }
      return "slow \(pair(ends)) \(parts.joined(separator: ", "))"
    case .slow(.elements(let list), let added, _): return "slow \(names(list)) by \(added.text)"
    case .lossy(let ends, let share): return "lossy \(pair(ends)), \(percent(share)) lost"
    case .applicationErrors(let list, let share, let status):
      return "\(names(list)) \(list.count == 1 ? "answers" : "answer") \(percent(share)) with \(status)"
    case .checkFails(let list): return "check-fails \(names(list))"
    case .drain(let list, let deadline):
      return "drain \(names(list))" + (deadline.map { ", deadline \($0.text)" } ?? "")
    case .rollingRestart(let list, let pause): return "rolling-restart \(names(list)), pause \(pause.text)"
    case .reload(let list): return "reload \(names(list))"
    case .rollout(let file, let order, let pause):
      return "rollout \(file.value) to \(names(order))" + (order.count > 1 ? ", pause \(pause.text)" : "")
    }
  }

  private static func names(_ list: [Located<String>]) -> String { list.map(\.value).joined(separator: ", ") }

  private static func pair(_ ends: LinkEnds) -> String { "\(ends.from.value):\(ends.to.value)" }

  /// To a hundredth of a percent.
  private static func percent(_ share: Double) -> String { "\(plainNumber((share * 10_000).rounded() / 100))%" }
}
