internal import Routing

/// Addresses that the nodes of an entry share: where they are, and who asks in vain while they are nowhere.
extension Run {
  /// The address of an entry, as it is now.
  struct EntryAddress {
    var entry: Int
    var state: AddressState
    /// Tells a scheduled move that is out of date from the present one.
    var token: UInt32 = 0
  }

  /// Everybody has come to the state of the start.
  mutating func startAddresses() {
    world.holders = Array(repeating: World.withoutAddress, count: population.entries.count)
    for (entry, model) in population.entries.map(\.address).enumerated() {
      guard let model else { continue }
      var isWell: [Bool] = []
      for holder in model.holders { isWell.append(self.isWell(holder)) }
      addresses.append(EntryAddress(entry: entry, state: AddressState(model, isWell: isWell)))
    }
    for number in addresses.indices { lead(number) }
  }

  /// What the keepalived of a holder would learn if it asked now.
  private mutating func isWell(_ holder: AddressModel.Holder) -> Bool {
    let state = world.elements[Int(holder.element)]
    return holder.isAsked ? state.isUp && state.softStops == 0 : state.isPowered
  }

  /// What has changed is taken in. Returns who has lost an address by it, each with the entry.
  mutating func observeAddresses() -> [(entry: Int, element: Int32)] {
    var lost: [(entry: Int, element: Int32)] = []
    for number in addresses.indices {
      for (index, holder) in addresses[number].state.model.holders.enumerated() {
        let isWell = isWell(holder)
        let isPowered = world.elements[Int(holder.element)].isPowered
        addresses[number].state.observe(index, isPowered: isPowered, isWell: isWell, at: now)
      }
      if let old = bringForward(number) { lost.append((addresses[number].entry, old)) }
    }
    return lost
  }

  /// A move, or what leads to one, is due.
  mutating func addressActs(_ number: Int, token: UInt32) {
    guard addresses[number].token & Event.tokenMask == token else { return }
    let before = addresses[number].state.element
    let old = bringForward(number)
    settleNextChange()
    if addresses[number].state.element != before {
      truth.remember(world, at: now)
      verdicts.worldChanged(at: now)
      record.disturbedAt = now
      if let old { breakOff(entry: addresses[number].entry, at: old) }
    }
    updatePhase()
  }

  /// Does what is due and schedules what comes. Returns who has lost the address.
  private mutating func bringForward(_ number: Int) -> Int32? {
    let before = addresses[number].state.element
    addresses[number].state.advance(to: now)
    addresses[number].token &+= 1
    let next = addresses[number].state.nextAt
    if next <= end { schedule(.address, Int32(number), token: addresses[number].token, at: next) }
    guard addresses[number].state.element != before else { return nil }
    lead(number)
    return before >= 0 ? before : nil
  }

  /// Requests of the entry come to the holder.
  private mutating func lead(_ number: Int) {
    let entry = addresses[number].entry
    world.holders[entry] = addresses[number].state.element
    for application in 0..<network.applicationCount {
      entryPools[entry * applications + application] = enteredPool(entry, application)
    }
  }

  /// The pool that takes an entry's requests while its node is up; -1: nobody has the address, or who has it does not serve that.
  mutating func enteredPool(_ entry: Int, _ application: Int) -> Int32 {
    let holder = world.holders[entry]
    let element = holder == World.withoutAddress ? population.entries[entry].elements[0] : holder
    return element >= 0 ? poolOf(element, application) : -1
  }

  /// Requests that entered at a node which has lost the address break off: the next holder knows nothing of their connections.
  mutating func breakOff(entry: Int, at element: Int32) {
    for index in 0..<Int32(legCount) {
      let leg = legs + Int(index)
      guard leg.pointee.flags.contains(.alive), leg.pointee.parent < 0, leg.pointee.pool >= 0,
        poolStates[Int(leg.pointee.pool)].node == element, self.entry(users + Int(leg.pointee.user)) == entry
      else { continue }
      let pool = leg.pointee.pool
      disturb(index)
      traceOutcome(index, "broken off: the address has moved")
      abandon(index)
      if leg.pointee.exchange.isActive { leg.pointee.exchange.finish(pool: &pools[Int(pool)]) }
      removeWaiting(index, pool)
      complete(index, Result(), at: now)
      settle(pool)
    }
  }

  /// How long it takes a user to see that nobody serves at the entry: a machine without the process refuses at once, and where nobody
  /// has the address there is silence. Without an address that was counted while the entry's nodes were tried.
  mutating func timeToFail(_ user: UnsafeMutablePointer<User>) -> Int64 {
    let holder = world.holders[entry(user)]
    if holder == World.withoutAddress { return 0 }
    return holder >= 0 && world.elements[Int(holder)].isPowered ? 2 * ModelTimes.local : ModelTimes.entryTimeout
  }
}
