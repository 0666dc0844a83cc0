internal import Geo
internal import Routing
internal import Topology

/// An order of sites, as users have it by one plan of their office.
struct ClientOrder: Sendable {
  var plan: GeoPlan
  /// Numbers of `plan.sites`.
  var sites: [Int]
}

/// Where the users of an office are that orders sites for each client.
struct Clients {
  /// By the user's number at the office; nil: nobody knows.
  private(set) var places: [ClientPlace?] = []
  /// By the user's number: an address that `networks:` may speak of; nil: there is none.
  private var addresses: [Network?] = []

  /// So many users. Each draws for itself, so that more users only add to those before.
  init(_ count: Int, _ spread: ClientSpread, of office: Office, seed: UInt64) {
    addresses = Array(repeating: nil, count: count)
    switch spread {
    case .office: places = Array(repeating: office.place.map { ClientPlace(location: $0) }, count: count)
    case .population:
      let hash = StableHash.combine(
        StableHash.combine(seed, StableHash.hash(literal: "clients")), StableHash.hash(office.name))
      places = (0..<count).map { number in
        var random = RandomStream(seed: hash, hash: UInt64(number))
        return WorldPeople.shared.places[WorldPeople.shared.draw(&random)]
      }
    }
  }

  /// Listed users, where `place` finds their addresses.
  init(_ users: [ListedUser], _ place: SimulationOptions.ClientPlaces?) {
    addresses = users.map(\.client)
    places = addresses.map { address in address.flatMap { place?($0.high, $0.low) } }
  }

  /// The users by their orders, in the order in which the orders come first.
  func grouped(by plans: [GeoPlan]) -> [(orders: [ClientOrder], numbers: [Int32])] {
    let preferences = plans.map(SitePreference.init)
    var groups: [(orders: [ClientOrder], numbers: [Int32])] = []
    var known: [[[Int]]: Int] = [:]
    for number in places.indices {
      let orders = preferences.map { preference in
        let address = addresses[number]
        return address.map { preference.decide(address: ($0.high, $0.low), place: places[number]).order }
          ?? preference.decide(place: places[number]).order
      }
      if known[orders] == nil {
        known[orders] = groups.count
        groups.append((zip(plans, orders).map { ClientOrder(plan: $0, sites: $1) }, []))
      }
      if let group = known[orders] { groups[group].numbers.append(Int32(number)) }
    }
    return groups
  }
}

extension ClientPlace {
  /// There and back to a place, in nanoseconds; 0 for a client whose location is not known.
  func accessTime(to place: Location) -> Int64 {
    guard let location else { return 0 }
    return Int64(PathModel.roundTripMilliseconds(kilometres: location.kilometres(to: place)) * 1e6)
  }
}

extension NetworkModel {
  /// What an office orders sites by for each client, by every file that it may go by; empty: its order is one for all.
  func clientOrders(of office: Int32) -> [GeoPlan] {
    var found: [GeoPlan] = []
    for version in versions {
      guard let plan = version[Int(office)].plan.clientOrder, !found.contains(plan) else { continue }
      found.append(plan)
    }
    return found
  }
}
