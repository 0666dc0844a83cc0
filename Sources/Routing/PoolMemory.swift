public import Topology

/// Where a worker's view of a pool stands, for one that goes on in its place under another plan, or in another process. Servers
/// go by their names.
public struct PoolMemory: Sendable, Equatable, Codable {
  struct Turn: Sendable, Equatable, Codable {
    var server: String
    var left: Double
  }
  struct Balance: Sendable, Equatable, Codable {
    var turns: [Turn]
    var next: Int
  }
  struct Tier: Sendable, Equatable, Codable {
    var balance: Balance?
    /// Monotonic nanoseconds; `.max`: nobody of it admits new users.
    var admittingSince: Int64
  }
  struct Group: Sendable, Equatable, Codable {
    var value: String
    var balance: Balance
  }
  struct Member: Sendable, Equatable, Codable {
    var server: String
    var deadSince, aliveSince: Int64
  }
  var tiers: [Tier]
  var groups: [Group]
  var members: [Member]
}

extension Pool {
  /// Where the view stands. `plan`: the one that it was made of.
  public mutating func memory(plan: PoolPlan) -> PoolMemory {
    let names = plan.servers.map(\.name)
    func named(_ position: BalancePosition) -> PoolMemory.Balance {
      PoolMemory.Balance(
        turns: position.turns.map { PoolMemory.Turn(server: names[Int($0.server)], left: $0.left) },
        next: position.next)
    }
    var known: [PoolMemory.Group] = []
    for group in 0..<groupCount {
      guard let position = groups[group].balancer.position,
        let value = plan.servers[Int(groups[group].members[0])].cookieValue
      else { continue }
      known.append(PoolMemory.Group(value: value, balance: named(position)))
    }
    return PoolMemory(
      tiers: (0..<tierCount).map { tier in
        PoolMemory.Tier(
          balance: tiers[tier].admitting.position.map(named), admittingSince: tiers[tier].admittingSince)
      },
      groups: known,
      members: (0..<serverCount).map { server in
        PoolMemory.Member(
          server: names[server], deadSince: members[server].deadSince, aliveSince: members[server].aliveSince)
      })
  }

  /// Goes on where another view stood, once health has been taken over (`refreshIfNeeded`). `plan`: the one of this view.
  public mutating func goOn(from memory: PoolMemory, plan: PoolPlan) {
    var numbers: [String: Int32] = [:]
    for (index, server) in plan.servers.enumerated() where numbers[server.name] == nil {
      numbers[server.name] = Int32(index)
    }
    func numbered(_ balance: PoolMemory.Balance) -> BalancePosition {
      BalancePosition(
        turns: balance.turns.compactMap { turn in
          numbers[turn.server].map { BalancePosition.Turn(server: $0, left: turn.left) }
        }, next: balance.next)
    }
    for tier in 0..<min(tierCount, memory.tiers.count) {
      let known = memory.tiers[tier]
      // What admits now has done so since then, if it did.
      if tiers[tier].admittingSince < .max {
        tiers[tier].admittingSince = min(known.admittingSince, tiers[tier].admittingSince)
      }
      guard let balance = known.balance else { continue }
      let usable = weighted(tiers[tier].members) { $0.admits }
      let place = tiers + tier
      place.pointee.admitting.goOn(from: numbered(balance), over: usable)
    }
    for group in 0..<groupCount {
      let value = plan.servers[Int(groups[group].members[0])].cookieValue
      guard let known = memory.groups.first(where: { $0.value == value }) else { continue }
      let place = groups + group
      let usable = weighted(place.pointee.members) { $0.takesOwnUsers }
      place.pointee.balancer.goOn(from: numbered(known.balance), over: usable)
    }
    for known in memory.members {
      guard let server = numbers[known.server] else { continue }
      members[Int(server)].deadSince = known.deadSince
      members[Int(server)].aliveSince = known.aliveSince
    }
  }
}
