internal import Routing
internal import Topology

/// A scenario's steps, laid out as changes in order of time.
struct RelayFaultPlan {
  struct Change {
    enum Kind {
      case end(silently: Bool), start(silently: Bool), slow(Int64), fast(Int64)
    }
    var at: Int64
    var kind: Kind
    var elements: [Int32]

    /// How many faults begin (1) or end (-1) with it.
    var weight: Int {
      switch kind {
      case .end, .slow: 1
      case .start, .fast: -1
      }
    }
  }

  private(set) var changes: [Change] = []
  private(set) var marks: [FaultMark] = []

  init(_ network: RelayNetwork, scenario: Scenario) {
    for step in scenario.steps {
      let at = step.at.nanosecondsClamped
      var until = step.lasts.map { at + $0.nanosecondsClamped }
      switch step.fault {
      case .kill(let names):
        add(at, until, Self.all(names, network.elements), .end(silently: false), .start(silently: false))
      case .power(let names):
        add(at, until, Self.all(names, network.machines), .end(silently: true), .start(silently: true))
      case .restart(let names, let pause):
        until = at + pause.nanosecondsClamped
        add(at, until, Self.all(names, network.elements), .end(silently: false), .start(silently: false))
      case .slow(.elements(let names), let added, _):
        let nanoseconds = added.nanosecondsClamped
        add(at, until, Self.all(names, network.elements), .slow(nanoseconds), .fast(nanoseconds))
      case .slow(.link, _, _), .cut, .lossy, .applicationErrors, .checkFails, .drain, .rollingRestart, .reload,
        .rollout:
        // `Topology.errors(in:)` refuses them in a network of relays.
        continue
      }
      marks.append(FaultMark(atNanoseconds: at, untilNanoseconds: until, text: FaultText.text(of: step.fault)))
    }
    // Equal times in the order of the file.
    let order = changes.indices.sorted { (changes[$0].at, $0) < (changes[$1].at, $1) }
    changes = order.map { changes[$0] }
    marks.sort { $0.atNanoseconds < $1.atNanoseconds }
  }

  private static func all(_ names: [Located<String>], _ named: (String) -> [Int32]) -> [Int32] {
    var found: [Int32] = []
    for name in names { found += named(name.value).filter { !found.contains($0) } }
    return found
  }

  private mutating func add(
    _ at: Int64, _ until: Int64?, _ elements: [Int32], _ begin: Change.Kind, _ end: Change.Kind
  ) {
    changes.append(Change(at: at, kind: begin, elements: elements))
    if let until { changes.append(Change(at: until, kind: end, elements: elements)) }
  }
}
