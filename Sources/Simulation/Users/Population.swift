internal import Geo
internal import Routing
internal import Topology

/// How the users of one entry behave; times in nanoseconds.
struct Habits: Sendable {
  var thinkTime: Int64
  var sessionLength: Int64
  var idleExpiry: Int64
  var requestBytes: Int
  var responseBytes: Int
  var postShare: Double
  var parallel: Int
  /// Activity by hour, 24 factors, or empty.
  var byHour: [Double]
  /// The same all day.
  var isEven: Bool

  /// What holds where neither the file nor the scenario says anything: a request every 5 s, visits of 20 minutes, requests
  /// of 1,000 and answers of 20,000 bytes, every tenth a POST, one at a time; sessions are forgotten after 30 minutes.
  init(_ settings: TrafficSettings, application: Application) {
    thinkTime = max(1_000_000, settings.thinkTime?.nanosecondsClamped ?? 5_000_000_000)
    sessionLength = max(1, settings.sessionLength?.nanosecondsClamped ?? 1_200_000_000_000)
    idleExpiry = (settings.idleExpiry ?? application.sessionTimeout)?.nanosecondsClamped ?? 1_800_000_000_000
    requestBytes = settings.requestSize ?? 1_000
    responseBytes = settings.responseSize ?? 20_000
    postShare = settings.postShare ?? 0.1
    parallel = min(max(settings.parallel ?? 1, 1), 16)
    byHour = settings.byHour.count == 24 ? settings.byHour : []
    isEven = byHour.isEmpty
  }

  /// The mean pause at a moment of the day; the scenario begins at midnight.
  @inline(__always)
  func pause(at now: Int64) -> Int64 { isEven ? thinkTime : pauseByHour(at: now) }

  @inline(never)
  private func pauseByHour(at now: Int64) -> Int64 {
    let factor = byHour[Int(now / 3_600_000_000_000) % 24]
    return factor > 0 ? Int64(min(Double(thinkTime) / factor, 86_400e9)) : 3_600_000_000_000
  }
}

/// Where users enter the network.
struct Entry: Sendable {
  /// The office's or site's name.
  var name: String
  /// An office proxy, or the directors of a site in the order in which its users try them; its balancers if it has no directors.
  var elements: [Int32]
  /// The site of local users; -1 at an office.
  var site: Int32
  /// The first user's number; the entry's users follow each other.
  var firstUser: Int
  var count: Int
  /// By application.
  var habits: [Habits]
  /// The first entry of the same office: its users are an entry for each order of sites that they have.
  var office: Int
  /// The number of that order at the office's pools (`TierOrders`), from 1 on; 0: the plan's own.
  var order: Int32 = 0
  /// The order, for each plan that the office may go by.
  var orders: [ClientOrder] = []
  /// The users' numbers at the office; nil: from 0 on.
  var numbers: [Int32]?
  /// The address that all elements share, the one that users know; nil: they know each element.
  var address: AddressModel?
}

/// Who uses the network.
struct Population: Sendable {
  /// Users when nobody says how many.
  static let usersByDefault = 140

  var entries: [Entry]
  var total: Int
  /// By user: there and back between the client and the office, in nanoseconds; empty: nobody is anywhere.
  private(set) var accessTimes: [Int64] = []
  /// By user: the country; empty: nobody is anywhere.
  private(set) var countries: [RegionCode?] = []

  /// Users of a scenario.
  ///
  /// An office's or site's own number counts as it is. Where a number is given for the whole (by the command, the scenario or
  /// the file, in this order), it is spread in proportion to those numbers, offices without one counting as the mean, or
  /// evenly over the offices. Without any number 140 users are spread evenly over the offices, or over the sites' own
  /// users where there is no office.
  ///
  /// Users of an office that orders sites for each client have a place: drawn by `seed`, or found for the address that the roll
  /// gives. Who has which does not depend on how many there are.
  ///
  /// - Parameter options: `users`; `roll`: the users one by one, then nothing is counted out; `clientPlace`.
  init(_ network: NetworkModel, scenario: Scenario, options: SimulationOptions, seed: UInt64) {
    let topology = network.topology
    let (users, roll) = (options.users, options.roll)
    let base = scenario.traffic.over(topology.traffic)
    struct Place {
      var name: String
      var elements: [Int32]
      var site: Int32
      var traffic: TrafficSettings
      var own: Int?
      var address: AddressModel?
    }
    var places: [Place] = []
    for (index, office) in topology.offices.enumerated() {
      places.append(
        Place(
          name: network.standIns[office.name].map { topology.sites[Int($0)].name } ?? office.name,
          elements: [Int32(index)], site: -1, traffic: office.traffic, own: office.traffic.users))
    }
    for (index, site) in topology.sites.prefix(network.ownSiteCount).enumerated() {
      let hasUsers = roll?.users.contains { $0.entry == site.name } ?? (site.traffic.users ?? 0 > 0)
      let elements = network.entries(atSite: index)
      guard hasUsers || topology.offices.isEmpty, !elements.isEmpty,
        !network.standIns.values.contains(Int32(index))
      else { continue }
      places.append(
        Place(
          name: site.name, elements: elements, site: Int32(index), traffic: site.traffic,
          own: site.traffic.users, address: AddressModel(of: elements, in: network)))
    }
    let whole = users ?? scenario.traffic.users ?? topology.traffic.users
    let own = places.compactMap(\.own)
    var counts: [Int]
    if let roll {
      var listed: [String: Int] = [:]
      for user in roll.users { listed[user.entry, default: 0] += 1 }
      counts = places.map { listed[$0.name] ?? 0 }
    } else if let whole {
      let mean = own.isEmpty ? 1 : max(1, own.reduce(0, +) / own.count)
      counts = Self.spread(whole, over: places.map { $0.own ?? mean })
    } else if own.isEmpty {
      counts = Self.spread(Self.usersByDefault, over: places.map { _ in 1 })
    } else {
      counts = places.map { $0.own ?? 0 }
    }
    entries = []
    total = 0
    for (place, count) in zip(places, counts) {
      // A scenario's own settings stand above those of offices and sites, as it is the nearer word.
      let settings = scenario.traffic.over(place.traffic.over(base))
      var entry = Entry(
        name: place.name, elements: place.elements, site: place.site, firstUser: total, count: count,
        habits: topology.applications.map { Habits(settings, application: $0) }, office: entries.count)
      entry.address = place.address
      let plans = place.site < 0 ? network.clientOrders(of: place.elements[0]) : []
      if plans.isEmpty {
        add(entry)
      } else {
        let office = topology.offices[Int(place.elements[0])]
        let clients =
          roll.map { Clients($0.users.filter { $0.entry == place.name }, options.clientPlace) }
          ?? Clients(count, settings.clients?.value ?? .population, of: office, seed: seed)
        add(entry, of: clients, at: office.place, plans)
      }
    }
  }

  private mutating func add(_ entry: Entry) {
    if !accessTimes.isEmpty {
      accessTimes += Array(repeating: 0, count: entry.count)
      countries += Array(repeating: nil, count: entry.count)
    }
    entries.append(entry)
    total += entry.count
  }

  /// An entry for each order that users of an office have; without users one.
  private mutating func add(_ office: Entry, of clients: Clients, at place: Location?, _ plans: [GeoPlan]) {
    if accessTimes.isEmpty {
      accessTimes = Array(repeating: 0, count: total)
      countries = Array(repeating: nil, count: total)
    }
    let groups = clients.grouped(by: plans)
    if groups.isEmpty { add(office) }
    for (index, group) in groups.enumerated() {
      var entry = office
      entry.firstUser = total
      entry.count = group.numbers.count
      entry.numbers = group.numbers
      entry.order = Int32(index + 1)
      entry.orders = group.orders
      for number in group.numbers {
        let client = clients.places[Int(number)]
        accessTimes.append(place.flatMap { client?.accessTime(to: $0) } ?? 0)
        countries.append(client?.country)
      }
      entries.append(entry)
      total += entry.count
    }
  }

  /// The orders of the users of an office, by number from 1 on, for a plan that it may go by.
  func orders(at office: Int32, _ plan: GeoPlan) -> [[Int]] {
    entries.filter { $0.order > 0 && $0.elements[0] == office }.map { entry in
      entry.orders.first { $0.plan == plan }?.sites ?? Array(plan.sites.indices)
    }
  }

  /// How many requests a second to expect, about.
  var requestsPerSecond: Double {
    entries.reduce(0) { sum, entry in
      guard let habits = entry.habits.first else { return sum }
      return sum + Double(entry.count * habits.parallel) * 1e9 / Double(habits.thinkTime)
    }
  }

  /// Shares of a whole in proportion to weights, whole numbers that add up to it: the largest remainders are rounded up.
  static func spread(_ whole: Int, over weights: [Int]) -> [Int] {
    let sum = weights.reduce(0, +)
    guard sum > 0 else { return weights.map { _ in 0 } }
    var shares = weights.map { whole * $0 / sum }
    let remainders = weights.map { whole * $0 % sum }
    let order = weights.indices.sorted { (-remainders[$0], $0) < (-remainders[$1], $1) }
    for index in order.prefix(whole - shares.reduce(0, +)) { shares[index] += 1 }
    return shares
  }
}
