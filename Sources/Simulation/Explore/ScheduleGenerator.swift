internal import Routing
public import Topology

/// Makes random schedules of faults for a network: schedule i of a seed is the same however many are asked for.
public struct ScheduleGenerator: Sendable {
  /// Length of a schedule.
  static let duration: Duration = .seconds(600)
  /// Faults of a schedule.
  private static let faultsMax: UInt32 = 4
  /// Draws of a fault before the schedule does without it: some cannot be, beside those it has.
  private static let drawsMax = 8
  /// Faults begin from here on; checks have settled by then.
  private static let earliest: Int64 = 5_000
  private static let latest: Int64 = 540_000

  private let topology: Topology
  private let sites: [String]
  /// Directors, balancers and servers of a site, each a list where there is somebody.
  private let groups: [[String]]
  private let servers: [String]
  /// What an operator can drain.
  private let behindOffices: [String]
  private let elements: [String]
  private let links: [LinkEnds]
  /// Times at which nodes change their mind, in milliseconds: check intervals, bounds of detection, time-outs.
  private let critical: [Int64]

  /// For a network.
  public init(_ network: NetworkModel) {
    topology = network.topology
    sites = topology.sites.map(\.name)
    var groups: [[String]] = []
    var behind: [String] = []
    for site in topology.sites {
      for names in [site.directors.map(\.name), site.balancers.map(\.name), site.servers.map(\.name)]
      where !names.isEmpty {
        groups.append(names)
        behind += names
      }
    }
    self.groups = groups
    servers = topology.sites.flatMap { $0.servers.map(\.name) }
    behindOffices = behind
    // What cannot be done to a relay is drawn once more.
    elements = behind + topology.offices.map(\.name) + topology.relaysOfChecks.map(\.name)
    links = topology.links.filter { $0.ends.count == 2 }.map {
      LinkEnds(from: Located($0.ends[0].value), to: Located($0.ends[1].value))
    }
    var critical: [Int64] = []
    for pool in network.pools {
      critical += [pool.connectTimeout, pool.unacknowledged, pool.trialInterval, pool.silence]
      for check in pool.checks {
        critical += [check.detectionBound, check.plan.interval.nanosecondsClamped, check.timeout]
      }
    }
    for site in 0..<network.ownSiteCount {
      guard let address = AddressModel(of: network.entries(atSite: site), in: network) else { continue }
      critical += [AddressModel.fall + address.interval, address.silence + address.interval, address.preemptDelay]
    }
    self.critical = Set(critical.map { $0 / 1_000_000 }.filter { $0 > 0 && $0 < 600_000 }).sorted()
  }

  /// The schedule of a number under a seed: 600 s with one to four faults.
  ///
  /// - Parameter users: users at the same time.
  public func schedule(_ number: Int, seed: UInt64, users: Int) -> Scenario {
    let own = StableHash.combine(seed, UInt64(number))
    var random = RandomStream(seed: own, name: "schedule")
    var scenario = Scenario(name: "explored-\(seed)-\(number)", duration: Self.duration)
    scenario.seed = own
    scenario.traffic.users = users
    let count = 1 + random.below(Self.faultsMax)
    for _ in 0..<count {
      for _ in 0..<Self.drawsMax {
        guard let step = step(beside: scenario.steps, &random) else { continue }
        var more = scenario
        more.steps.append(step)
        guard topology.errors(in: more).isEmpty else { continue }
        scenario = more
        break
      }
    }
    scenario.steps.sort { $0.at < $1.at }
    return scenario
  }

  // MARK: One fault

  /// Kinds by how often they are drawn.
  private enum Kind: CaseIterable {
    case kill, power, restart, cut, cutOneWay, slowLink, slowElements, lossy, errors, drain, rollingRestart

    var weight: UInt32 {
      switch self {
      case .kill: 5
      case .power, .cut, .cutOneWay, .drain: 4
      case .restart, .lossy, .rollingRestart: 2
      case .slowLink, .slowElements, .errors: 1
      }
    }
    var isOfLinks: Bool { [.cut, .cutOneWay, .slowLink, .lossy].contains(self) }
  }

  private func step(beside earlier: [ScenarioStep], _ random: inout RandomStream) -> ScenarioStep? {
    let kinds = Kind.allCases.filter { !links.isEmpty || !$0.isOfLinks }
    var left = random.below(kinds.reduce(0) { $0 + $1.weight })
    guard
      let kind = kinds.first(where: { kind in
        defer { left = left < kind.weight ? 0 : left - kind.weight }
        return left < kind.weight
      })
    else { return nil }
    let at = moment(beside: earlier, &random)
    let length = length(&random)
    var lasts: Duration? = random.chance(0.08) ? nil : .milliseconds(length)
    let fault: Fault
    switch kind {
    case .kill: fault = .kill(some(&random))
    case .power: fault = .power(some(&random))
    case .restart:
      fault = .restart(some(&random), pause: .milliseconds(length))
      lasts = nil
    case .cut: fault = .cut(link(&random), oneWay: false)
    case .cutOneWay: fault = .cut(link(&random), oneWay: true)
    case .slowLink:
      let divided = [1.0, 1, 4, 20][Int(random.below(4))]
      fault = .slow(.link(link(&random)), added: .milliseconds(10 * Int64(1 + random.below(150))), divided: divided)
    case .slowElements:
      fault = .slow(.elements(some(&random)), added: .milliseconds(50 * Int64(1 + random.below(100))), divided: 1)
    case .lossy: fault = .lossy(link(&random), share: [0.01, 0.05, 0.1, 0.3][Int(random.below(4))])
    case .errors:
      guard !servers.isEmpty else { return nil }
      let share = [0.05, 0.3, 1][Int(random.below(3))]
      let status = [500, 502, 503, 504][Int(random.below(4))]
      fault = .applicationErrors([one(of: servers, &random)], share: share, status: status)
    case .drain:
      let deadline: Duration? = random.chance(0.5) ? .milliseconds(self.length(&random)) : nil
      if let some = deadline, let all = lasts, some > all { lasts = some }
      fault = .drain(some(&random, of: behindOffices), deadline: deadline)
    case .rollingRestart:
      let pause = Duration.milliseconds(100 * Int64(random.below(300)))
      fault = .rollingRestart(random.chance(0.2) ? some(&random) : group(&random), pause: pause)
      lasts = nil
    }
    return ScenarioStep(at: .milliseconds(at), lasts: lasts, fault: fault)
  }

  /// Anywhere, or close to where another fault begins or ends.
  private func moment(beside earlier: [ScenarioStep], _ random: inout RandomStream) -> Int64 {
    if !earlier.isEmpty && random.chance(0.6) {
      let other = earlier[Int(random.below(UInt32(earlier.count)))]
      var moment = other.at
      if let lasts = other.lasts, random.chance(0.6) { moment += lasts }
      let shift = random.chance(0.2) ? 0 : 100 * (Int64(random.below(200)) - 50)
      return min(max(Self.earliest, moment.nanosecondsClamped / 1_000_000 + shift), Self.latest)
    }
    return Self.earliest + 100 * Int64(random.below(UInt32((Self.latest - Self.earliest) / 100)))
  }

  /// Mostly close to a time at which nodes change their mind, else from a tenth of a second to minutes.
  private func length(_ random: inout RandomStream) -> Int64 {
    let kind = random.fraction()
    let milliseconds: Double
    if kind < 0.55 && !critical.isEmpty {
      milliseconds = Double(critical[Int(random.below(UInt32(critical.count)))]) * (0.5 + random.fraction())
    } else if kind < 0.8 {
      // Each doubling from 0.1 s to 205 s is as likely as the others.
      milliseconds = 100 * Double(1 << random.below(11)) * (1 + random.fraction())
    } else {
      milliseconds = 1_000 + 399_000 * random.fraction()
    }
    return max(1, Int64(milliseconds / 100)) * 100
  }

  // MARK: Whom it hits

  private func one(of names: [String], _ random: inout RandomStream) -> Located<String> {
    Located(names[Int(random.below(UInt32(names.count)))])
  }

  private func group(_ random: inout RandomStream) -> [Located<String>] {
    groups.isEmpty ? [] : groups[Int(random.below(UInt32(groups.count)))].map { Located($0) }
  }

  /// One element mostly; or two, all of a kind at a site, or a site.
  private func some(_ random: inout RandomStream, of names: [String]? = nil) -> [Located<String>] {
    let names = names ?? elements
    switch random.below(20) {
    case 0..<3: return [one(of: sites, &random)]
    case 3..<7: return group(&random)
    case 7..<9: return [one(of: names, &random), one(of: names, &random)]
    default: return [one(of: names, &random)]
    }
  }

  private func link(_ random: inout RandomStream) -> LinkEnds {
    let ends = links[Int(random.below(UInt32(links.count)))]
    return random.chance(0.5) ? ends : LinkEnds(from: ends.to, to: ends.from)
  }
}
