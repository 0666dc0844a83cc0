import Synchronization
import Testing

@testable import Routing

struct LoadTableTests {
  @Test func `a slot is given up to the limit and again after a release`() {
    let loads = LoadTable.allocate(limits: [2, 0])
    defer { loads.deallocate() }
    #expect(loads.reserve(0) && loads.reserve(0))
    #expect(!loads.reserve(0))
    for _ in 0..<100 { #expect(loads.reserve(1)) }
    #expect(loads.inFlight(0) == 2 && loads.inFlight(1) == 100 && loads.totalInFlight == 102)
    loads.release(0)
    #expect(loads.reserve(0) && !loads.reserve(0))
    #expect(loads.limit(0) == 2 && loads.limit(1) == 0)
  }

  @Test(arguments: [true, false])
  func `a newcomer takes no slot while somebody waits`(isShared: Bool) {
    let loads = LoadTable.allocate(limits: [3, 3], isShared: isShared)
    defer { loads.deallocate() }
    let own = SlotQueues.Line.server(0, isBound: false)
    let session = SlotQueues.Line.server(0, isBound: true)
    loads.count(own, 1)
    #expect(!loads.reserveForNewcomer(0) && loads.isFull(0) && loads.inFlight(0) == 0)
    loads.count(session, 1)
    #expect(!loads.reserveForNewcomer(0) && loads.waiting(0) == 2)
    #expect(loads.reserveForNewcomer(1), "other servers have queues of their own")
    loads.count(session, -1)
    #expect(loads.isAwaited(0) && !loads.reserveForNewcomer(0) && loads.waiting(0) == 1)
    loads.count(own, -1)
    #expect(!loads.isAwaited(0) && loads.reserveForNewcomer(0) && !loads.isFull(0))
    for line in [SlotQueues.Line.tier(0, isBound: false), .group(1), .pool(isBound: true)] {
      loads.count(line, 1)
      #expect(!loads.reserveForNewcomer(0) && !loads.reserveForNewcomer(1) && loads.isAwaited(0) && loads.isAwaited(1))
      #expect(!loads.isFull(1) && loads.waiting(1) == 0, "whose slots they wait for is not known here")
      loads.count(line, -1)
    }
    #expect(loads.waitingForSeveral == 0)
  }

  @Test func `two tables that count together give no server more than its limit`() {
    let before = LoadTable.allocate(limits: [2, 1, 0])
    #expect(before.reserve(0) && before.reserve(0) && before.reserve(2))
    // The first is the third of the other one, the second is new, the last is its first.
    let after = LoadTable.allocate(limits: [0, 1, 2], counting: (table: before, servers: [2, nil, 0]))
    defer { after.deallocate() }
    #expect(after.inFlight(0) == 1 && after.inFlight(1) == 0 && after.inFlight(2) == 2)
    #expect(after.isFull(2) && !after.reserve(2) && after.fullBits(word: 0) == 0b100)
    #expect(after.reserve(1) && before.inFlight(1) == 0, "a server of the same number is another one")
    #expect(after.counts(2, as: 0, of: before) && !after.counts(1, as: 1, of: before) && after.hasTotal(of: before))
    #expect(after.totalInFlight == 4 && before.totalInFlight == 4)
    before.release(0)
    // The mark is put right by who looks after both.
    #expect(after.fullBits(word: 0) == 0b110)
    after.settle()
    #expect(after.fullBits(word: 0) == 0b010 && !after.isFull(2))
    #expect(after.reserve(2) && !before.reserve(0) && before.taken(0) == 3)
    // The counts live as long as one of both.
    before.deallocate()
    #expect(after.inFlight(2) == 2 && after.inFlight(0) == 1)
    after.release(0)
    after.release(1)
    after.release(2)
    after.release(2)
    #expect(after.totalInFlight == 0)
  }

  @Test func `a closed server gives no slot, whatever it has`() {
    let loads = LoadTable.allocate(limits: [1])
    defer { loads.deallocate() }
    loads.setLimit(0, LoadTable.closed)
    #expect(!loads.reserve(0) && loads.isFull(0) && loads.fullBits(word: 0) == 1)
    loads.setLimit(0, 1)
    #expect(!loads.isFull(0) && loads.fullBits(word: 0) == 0 && loads.reserve(0))
    loads.release(0)
  }

  @Test func `many workers at once never exceed the limit, and the marks of full servers come out right`() async {
    let limits: [Int32] = [3, 1, 2, 4]
    let loads = LoadTable.allocate(limits: limits)
    defer { loads.deallocate() }
    let holders = limits.map { _ in Holders() }
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<8 {
        group.addTask {
          var random = SplitMix64(seed: UInt64(worker))
          for _ in 0..<20_000 {
            let server = Int32(random.below(4))
            guard loads.reserve(server) else { continue }
            let now = holders[Int(server)].count.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
            if now > limits[Int(server)] { holders[Int(server)].exceeded.store(true, ordering: .relaxed) }
            if random.below(16) == 0 { await Task.yield() }
            holders[Int(server)].count.wrappingSubtract(1, ordering: .sequentiallyConsistent)
            loads.release(server)
          }
        }
      }
    }
    for holder in holders { #expect(holder.exceeded.load(ordering: .relaxed) == false) }
    #expect(loads.totalInFlight == 0 && loads.fullBits(word: 0) == 0)
    for server in 0..<Int32(4) { #expect(loads.inFlight(server) == 0) }
  }

  private final class Holders: Sendable {
    let count = Atomic<Int32>(0)
    let exceeded = Atomic<Bool>(false)
  }
}

struct TriedServersTests {
  @Test func `it holds sixteen servers, each once`() {
    var tried = TriedServers()
    #expect(tried.isEmpty && !tried.contains(0) && !tried.contains(-1))
    for server in 0..<Int32(16) {
      #expect(tried.insert(server * 3) == true)
      #expect(tried.insert(server * 3) == true)
      #expect(tried.count == Int(server) + 1)
    }
    #expect(tried.insert(1) == false)
    #expect(!tried.contains(1) && tried.count == 16)
    for position in 0..<16 { #expect(tried[position] == Int32(position) * 3) }
  }
}
