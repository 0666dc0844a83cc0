internal import Routing
internal import Topology

/// Makes a schedule that violates a property smaller for as long as it still does: fewer faults, a shorter story, fewer users,
/// fewer and smaller things that fail, shorter faults at rounder times.
///
/// Greedy: of the next simplifications the first that still violates is kept. Which that is does not depend on threads.
struct Shrinker {
  /// Runs at most; what is left to try then is left.
  private static let runsMax = 400
  /// Rounds over all simplifications.
  private static let roundsMax = 4
  private static let userCounts = [1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 110]
  /// Times are made multiples of the first of these that does.
  private static let grains: [Duration] = [
    .seconds(60), .seconds(30), .seconds(10), .seconds(5), .seconds(1), .milliseconds(500),
  ]

  private let topology: Topology
  private let threads: Int
  /// When a scenario first violates the property, in nanoseconds; nil: it does not.
  private let violates: @Sendable (Scenario) -> Int64?
  private(set) var runs = 0

  init(_ topology: Topology, threads: Int, violates: @escaping @Sendable (Scenario) -> Int64?) {
    self.topology = topology
    self.threads = max(1, threads)
    self.violates = violates
  }

  /// The smallest schedule found; the given one if nothing about it can be spared.
  mutating func shrink(_ drawn: Scenario) -> Scenario {
    var best = drawn
    for _ in 0..<Self.roundsMax {
      let before = best
      dropSteps(&best)
      shorten(&best)
      reduceUsers(&best)
      for index in best.steps.indices {
        reduceNames(&best, index)
        reduceTimes(&best, index)
        simplify(&best, index)
      }
      moveForward(&best)
      if best == before { break }
    }
    return best
  }

  /// The first of these that is valid and violates the property becomes the best; true: there was one.
  private mutating func take(_ best: inout Scenario, _ candidates: [Scenario]) -> Bool {
    let current = best
    let valid = candidates.filter { $0 != current && topology.errors(in: $0).isEmpty }
    var next = 0
    while next < valid.count && runs < Self.runsMax {
      // The bound and the count are as on one thread, so that the outcome is the same on any number of them.
      let batch = Array(valid[next..<min(next + min(threads, Self.runsMax - runs), valid.count)])
      let violates = violates
      let found = Parallel.map(batch.count, threads: threads) { violates(batch[$0]) != nil }
      if let first = found.firstIndex(of: true) {
        runs += first + 1
        best = batch[first]
        return true
      }
      runs += batch.count
      next += batch.count
    }
    return false
  }

  private mutating func dropSteps(_ best: inout Scenario) {
    repeat {
      let current = best
      guard current.steps.count > 1 else { return }
      let fewer = current.steps.indices.map { index in
        var scenario = current
        scenario.steps.remove(at: index)
        return scenario
      }
      guard take(&best, fewer) else { return }
    } while true
  }

  /// The story ends soon after the violation.
  private mutating func shorten(_ best: inout Scenario) {
    guard runs < Self.runsMax else { return }
    runs += 1
    guard let at = violates(best) else { return }
    let current = best
    let ends = [10, 30, 60, 120].map { (margin: Int64) -> Duration in
      let seconds = at / 1_000_000_000 + margin
      return .seconds((seconds + 9) / 10 * 10)
    }
    _ = take(
      &best,
      ends.filter { $0 < current.duration }.map { end in
        var scenario = current
        scenario.duration = end
        scenario.steps.removeAll { $0.at >= end }
        for index in scenario.steps.indices {
          if let lasts = scenario.steps[index].lasts, scenario.steps[index].at + lasts >= end {
            scenario.steps[index].lasts = nil
          }
        }
        return scenario
      })
  }

  private mutating func reduceUsers(_ best: inout Scenario) {
    let current = best
    let users = current.traffic.users ?? Exploration.usersByDefault
    _ = take(
      &best,
      Self.userCounts.filter { $0 < users }.map { count in
        var scenario = current
        scenario.traffic.users = count
        return scenario
      })
  }

  /// One of several elements; one element of a site.
  private mutating func reduceNames(_ best: inout Scenario, _ index: Int) {
    let current = best
    guard let names = current.steps[index].fault.names else { return }
    var smaller: [[String]] = names.count > 1 ? names.map { [$0] } : []
    if names.count == 1, let site = topology.sites.first(where: { $0.name == names[0] }) {
      let kinds = [site.directors.map(\.name), site.balancers.map(\.name), site.servers.map(\.name)]
      smaller += kinds.flatMap { $0.map { [$0] } } + kinds.filter { $0.count > 1 }
    }
    if names.count > 2 {
      smaller += names.indices.map { skip in names.indices.filter { $0 != skip }.map { names[$0] } }
    }
    _ = take(
      &best,
      smaller.map { names in
        var scenario = current
        scenario.steps[index].fault = current.steps[index].fault.with(names)
        return scenario
      })
  }

  private mutating func reduceTimes(_ best: inout Scenario, _ index: Int) {
    // Shorter, each time by half.
    while let lasts = best.steps[index].lasts, lasts > .seconds(1) {
      var shorter = best
      shorter.steps[index].lasts = .milliseconds((lasts / 2).nanosecondsClamped / 1_000_000)
      guard take(&best, [shorter]) else { break }
    }
    for path in [\ScenarioStep.at, \.length] {
      let current = best
      let value = current.steps[index][keyPath: path]
      let rounder = Self.grains.prefix { value % $0 != .zero }.flatMap { grain in
        [value.rounded(to: grain), value.rounded(to: grain) + grain].filter { $0 > .zero }
      }
      _ = take(
        &best,
        rounder.map { rounded in
          var scenario = current
          scenario.steps[index][keyPath: path] = rounded
          return scenario
        })
    }
  }

  /// Without the settings that a fault can do without.
  private mutating func simplify(_ best: inout Scenario, _ index: Int) {
    let current = best
    let faults: [Fault]
    switch current.steps[index].fault {
    case .drain(let names, .some): faults = [.drain(names, deadline: nil)]
    case .cut(let ends, true): faults = [.cut(ends, oneWay: false)]
    case .power(let names): faults = [.kill(names)]
    case .restart(let names, let pause):
      var scenario = current
      scenario.steps[index].fault = .kill(names)
      scenario.steps[index].lasts = pause
      _ = take(&best, [scenario])
      return
    case .slow(let target, let added, let divided) where divided != 1:
      faults = [.slow(target, added: added, divided: 1)]
    case .applicationErrors(let names, let share, let status) where share != 1:
      faults = [.applicationErrors(names, share: 1, status: status)]
    default: return
    }
    _ = take(
      &best,
      faults.map { fault in
        var scenario = current
        scenario.steps[index].fault = fault
        return scenario
      })
  }

  /// The whole story sooner.
  private mutating func moveForward(_ best: inout Scenario) {
    let current = best
    guard let first = current.steps.map(\.at).min() else { return }
    _ = take(
      &best,
      [Duration.seconds(10), .seconds(30), .seconds(60), .seconds(120)].filter { $0 < first }.map { start in
        var scenario = current
        for index in scenario.steps.indices { scenario.steps[index].at -= first - start }
        scenario.duration -= first - start
        return scenario
      })
  }
}

extension Fault {
  /// The elements it names; nil: it is about a link.
  fileprivate var names: [String]? {
    switch self {
    case .kill(let names), .power(let names), .restart(let names, _), .applicationErrors(let names, _, _),
      .checkFails(let names), .drain(let names, _), .rollingRestart(let names, _), .slow(.elements(let names), _, _):
      names.map(\.value)
    case .cut, .slow(.link, _, _), .lossy, .reload, .rollout: nil
    }
  }

  /// The same of other elements.
  fileprivate func with(_ names: [String]) -> Fault {
    let names = names.map { Located($0) }
    switch self {
    case .kill: return .kill(names)
    case .power: return .power(names)
    case .restart(_, let pause): return .restart(names, pause: pause)
    case .applicationErrors(_, let share, let status): return .applicationErrors(names, share: share, status: status)
    case .checkFails: return .checkFails(names)
    case .drain(_, let deadline): return .drain(names, deadline: deadline)
    case .rollingRestart(_, let pause): return .rollingRestart(names, pause: pause)
    case .slow(.elements, let added, let divided): return .slow(.elements(names), added: added, divided: divided)
    case .cut, .slow(.link, _, _), .lossy, .reload, .rollout: return self
    }
  }
}

extension ScenarioStep {
  /// How long it lasts, wherever that is said; zero: to the end, or of itself.
  fileprivate var length: Duration {
    get {
      switch fault {
      case .restart(_, let pause), .rollingRestart(_, let pause): pause
      default: lasts ?? .zero
      }
    }
    set {
      switch fault {
      case .restart(let names, _): fault = .restart(names, pause: newValue)
      case .rollingRestart(let names, _): fault = .rollingRestart(names, pause: newValue)
      default: lasts = newValue
      }
    }
  }
}

extension Duration {
  fileprivate static func % (value: Duration, grain: Duration) -> Duration { value - value.rounded(to: grain) }

  /// Down to a multiple.
  fileprivate func rounded(to grain: Duration) -> Duration {
    let whole = grain.nanosecondsClamped
    return .nanoseconds(nanosecondsClamped / whole * whole)
  }
}
