internal import HTTPMessage
internal import Routing

/// Orders of sites that are each client's own.
extension Worker {
  /// Takes over new orders, if there are any. Numbers remembered stay right, but what they were found by may be old.
  mutating func refreshGeography() {
    guard let geography else { return }
    let newest = geography._withUnsafeGuaranteedRef { $0.generation }
    guard newest != orderGeneration else { return }
    // The number first: what is published in between is taken over with the next round once more.
    orderGeneration = newest
    let current = geography._withUnsafeGuaranteedRef { $0.current }
    clientOrders = current
    for application in 0..<applicationCount { pools[application].take(current.orders[application]) }
  }

  /// The order of sites for a request: looked up once for a connection and the address that it, or a proxy on it, comes from.
  mutating func order(_ client: Int32, from address: AddressBits) -> Int32 {
    // Plain numbers first: the orders are counted by all workers in one place.
    if orderGeneration == 0 { return 0 }
    let pointer = clients + Int(client)
    if pointer.pointee.orderGeneration == orderGeneration && pointer.pointee.orderHigh == address.high
      && pointer.pointee.orderLow == address.low
    {
      return pointer.pointee.order
    }
    // Not by the owning reference, which would be retained for the call.
    guard let orders = clientOrders.map(Unmanaged.passUnretained) else { return 0 }
    let order = orders._withUnsafeGuaranteedRef { $0.order(address.high, address.low) }
    pointer.pointee.orderGeneration = orderGeneration
    pointer.pointee.orderHigh = address.high
    pointer.pointee.orderLow = address.low
    pointer.pointee.order = order
    return order
  }
}
