internal import Glibc
internal import HTTPMessage
internal import Reactor
internal import Routing
internal import Synchronization
internal import Topology

/// Requests that wait: for a slot, for the outcome of a trial, for the right to a retry; a list for each cause.
extension Worker {
  /// The queues themselves are of the whole process and in the core (`SlotQueues`); this list is the worker's own part of them.
  func queueList(_ application: Int) -> Int { serverTotal + applicationCount + application }

  mutating func wait(_ client: Int32, in list: Int) {
    let pointer = clients + Int(client)
    let app = applications + Int(pointer.pointee.application)
    if pointer.pointee.waitingList >= 0 { stopWaiting(client) }
    link(client, into: list, ahead: false)
    var patience = list < serverTotal ? app.pointee.timeouts.connect * 2 : app.pointee.timeouts.queue
    // Until the first server is asked there is one time-out, however often the request is sent to another queue.
    if list >= serverTotal && pointer.pointee.chosen == 0 { patience -= now - pointer.pointee.headComplete }
    setDeadline(client, .queue, max(1, patience))
  }

  /// Puts a client at the end of a list, or before all others.
  mutating func link(_ client: Int32, into list: Int, ahead: Bool) {
    let pointer = clients + Int(client)
    pointer.pointee.waitingList = Int32(list)
    pointer.pointee.previousWaiting = ahead ? -1 : waiting[list].tail
    pointer.pointee.nextWaiting = ahead ? waiting[list].head : -1
    join(pointer.pointee.previousWaiting, client, in: list)
    join(client, pointer.pointee.nextWaiting, in: list)
    waiting[list].count += 1
    waitingTotal += 1
    if list >= serverTotal + applicationCount { queuedTotal += 1 }
  }

  /// Makes two clients neighbours in a list; -1 stands for its end on that side.
  mutating func join(_ first: Int32, _ second: Int32, in list: Int) {
    if first >= 0 { clients[Int(first)].nextWaiting = second } else { waiting[list].head = second }
    if second >= 0 { clients[Int(second)].previousWaiting = first } else { waiting[list].tail = first }
  }

  mutating func stopWaiting(_ client: Int32) {
    let pointer = clients + Int(client)
    guard pointer.pointee.waitingList >= 0 else { return }
    let list = Int(pointer.pointee.waitingList)
    join(pointer.pointee.previousWaiting, pointer.pointee.nextWaiting, in: list)
    waiting[list].count -= 1
    waitingTotal -= 1
    if list >= serverTotal + applicationCount { queuedTotal -= 1 }
    pointer.pointee.waitingList = -1
  }

  /// Those whose slot was granted go on.
  mutating func takeUpGranted() {
    for application in 0..<applicationCount {
      while let client = pools[application].nextGranted() {
        stopWaiting(client)
        perform(clients[Int(client)].exchange.slotFreed(pool: &pools[application], now: now), client)
      }
    }
  }

  /// Those who wait for a trial or the budget get another try; now and then (`looksAtQueues`) those in queues are asked, too, as their
  /// servers may have died.
  mutating func retryWaiting(looksAtQueues: Bool) {
    if looksAtQueues && queuedTotal > 0 { for application in 0..<applicationCount { look(at: application) } }
    takeUpGranted()
    // Nearly always all who wait are in queues.
    if waitingTotal > queuedTotal { for list in 0..<serverTotal + applicationCount { retry(list) } }
  }

  /// Those in an application's queues whose servers are not the ones to wait for any more go elsewhere.
  mutating func look(at application: Int) {
    let list = queueList(application)
    guard waiting[list].count > 0 else { return }
    pools[application].offerSlotsToLines()
    var client = waiting[list].head
    for _ in 0..<waiting[list].count where client >= 0 {
      let next = clients[Int(client)].nextWaiting
      let action = clients[Int(client)].exchange.lookWhileQueued(pool: &pools[application], now: now)
      if action != .nothing {
        stopWaiting(client)
        perform(action, client)
      }
      client = next
    }
  }

  /// Another try for those of a list, the first one first, until one has to wait on.
  mutating func retry(_ list: Int) {
    var left = waiting[list].count
    while left > 0, waiting[list].head >= 0 {
      left -= 1
      let client = waiting[list].head
      let pointer = clients + Int(client)
      let application = Int(pointer.pointee.application)
      stopWaiting(client)
      let action: Exchange.Action
      switch pointer.pointee.exchange.state {
      case .awaitingBudget: action = pointer.pointee.exchange.budgetFreed(pool: &pools[application], now: now)
      case .awaitingTrial:
        let server = Int32(list - applications[application].firstServer)
        let since = pointer.pointee.exchange.exclusions.since
        if pools[application].trialIsAwaited(server, since: since, now: now) {
          action = .awaitTrial(server)
        } else {
          action = pointer.pointee.exchange.trialResolved(pool: &pools[application], now: now)
        }
      case .idle, .queued, .connecting, .awaitingResponse, .relaying, .done: action = .nothing
      }
      if waitAgain(client, action, list) { return }
      perform(action, client)
    }
  }

  /// Still no trial outcome or budget: back to the head of the same list, its deadline as it was.
  mutating func waitAgain(_ client: Int32, _ action: Exchange.Action, _ list: Int) -> Bool {
    let pointer = clients + Int(client)
    switch action {
    case .awaitTrial(let server):
      guard slot(of: server, in: pointer.pointee.application) == list else { return false }
    case .awaitBudget:
      guard serverTotal + Int(pointer.pointee.application) == list else { return false }
    case .queue, .connect, .answer, .relay, .nothing: return false
    }
    link(client, into: list, ahead: true)
    return true
  }
}
