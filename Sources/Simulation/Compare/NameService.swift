internal import Routing
internal import Topology

/// Who answers for the name of the service: checks of all directors, made from one place, and what is believed by them.
struct NameService {
  /// The check of one director for one application.
  struct Check {
    /// The director's pool.
    var pool: Int32
    var director: Int32
    var state: CheckState
  }

  var checks: [Check] = []
  /// By pool: the check of a director's; -1: none, so that it is believed up.
  private var checkOfPool: [Int32] = []
  var random: RandomStream
  /// How long an office keeps an answer, in nanoseconds.
  let answersLast: Int64

  /// Each director is checked as the office does that checks it most often, but at an even pace, as such checkers do. Without `Behaviour.sitesByName` there is nothing.
  init(_ network: NetworkModel, _ options: SimulationOptions, seed: UInt64) {
    random = RandomStream(seed: seed, name: "names")
    answersLast = max(1_000_000, options.namesLast.nanosecondsClamped)
    guard options.behaviour.contains(.sitesByName) else { return }
    checkOfPool = Array(repeating: -1, count: network.pools.count)
    var plans: [CheckPlan] = []
    for office in network.pools where office.role == .officeProxy {
      for check in office.checks where check.which == .liveness {
        let director = office.candidates[Int(check.server)].element
        let pool = network.nodes[Int(director)].poolOf[office.application]
        guard pool >= 0 else { continue }
        let known = Int(checkOfPool[Int(pool)])
        if known < 0 {
          checkOfPool[Int(pool)] = Int32(checks.count)
          checks.append(
            Check(pool: pool, director: director, state: CheckState(plan: check.plan.even, initiallyUp: true)))
          plans.append(check.plan)
        } else if check.plan.interval < plans[known].interval {
          checks[known].state = CheckState(plan: check.plan.even, initiallyUp: true)
          plans[known] = check.plan
        }
      }
    }
  }

  /// Whether the director with this pool is among the answers.
  func isUp(pool: Int32) -> Bool {
    guard pool >= 0 else { return false }
    let check = checkOfPool[Int(pool)]
    return check < 0 || checks[Int(check)].state.isUp
  }
}

extension CheckPlan {
  /// The check with the same interval always.
  var even: CheckPlan {
    var plan = self
    plan.fastInterval = interval
    plan.downInterval = interval
    return plan
  }
}

extension Run {
  /// The checks begin, and each office asks for the name at a moment of its own, and again whenever the answer is too old.
  mutating func startNames() {
    for check in nameService.checks.indices {
      let delay = nameService.checks[check].state.firstDelay(random: &nameService.random)
      schedule(.nameCheck, Int32(check), at: now + delay)
    }
    for (pool, model) in network.pools.enumerated() where model.role == .officeProxy {
      resolve(Int32(pool))
      schedule(.resolve, Int32(pool), at: now + Int64(nameService.random.fraction() * Double(nameService.answersLast)))
    }
  }

  /// A director is up if it answers, and says that it takes new users. Who checks can always be reached: links to offices are
  /// not on the way.
  mutating func checkName(_ index: Int) {
    let check = nameService.checks[index]
    let element = world.elements[Int(check.director)]
    let isUp = element.isUp && element.softStops == 0 && statement(check.director, check.pool).admit
    _ = nameService.checks[index].state.record(success: isUp, now: now)
    let delay = nameService.checks[index].state.nextDelay(random: &nameService.random)
    schedule(.nameCheck, Int32(index), at: now + max(delay, 1_000_000))
  }

  mutating func resolvesAgain(_ pool: Int32) {
    resolve(pool)
    schedule(.resolve, pool, at: now + nameService.answersLast)
  }

  /// Until the next answer the office's users go to the directors of the first site of its order that are believed up, and to
  /// nobody else; with none anywhere the answer is the first site.
  mutating func resolve(_ pool: Int32) {
    let state = poolStates[Int(pool)]
    guard state.isOffice else { return }
    var tier: Int32 = -1
    for server in 0..<state.candidateCount where tier < 0 {
      let candidate = candidate(pool, server)
      if nameService.isUp(pool: candidate.pointee.childPool) { tier = candidate.pointee.tier }
    }
    for server in 0..<state.candidateCount {
      let candidate = candidate(pool, server)
      let isAnswer =
        tier < 0
        ? candidate.pointee.tier == 0
        : candidate.pointee.tier == tier && nameService.isUp(pool: candidate.pointee.childPool)
      let change = health[position(pool, server)].setEnabled(isAnswer ? .ready : .maintenance, now: now)
      changed(pool, server, change)
    }
  }

  /// Where users go by a name there is no office proxy that could end or be drained.
  func withoutOffices(_ changes: [TimedChange]) -> [TimedChange] {
    changes.map { change in
      var change = change
      switch change.kind {
      case .kill, .revive, .retire, .softStop, .softStopEnds, .drain, .drainEnds, .drainDeadline, .slow, .slowEnds:
        change.subjects.removeAll { network.elements[Int($0)].kind == .office }
      default: break
      }
      return change
    }
  }
}
