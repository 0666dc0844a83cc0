import Testing
import Topology

@testable import Simulation

@Suite("Engine")
struct EngineTests {
  @Test func `Events come out in order of time, whatever order they went in`() {
    var random = RandomStream(seed: 7, name: "queue")
    var queue = EventQueue()
    var expected: [Event] = []
    var now: Int64 = 0
    var taken: [Event] = []
    for round in 0..<20_000 {
      // Near, far and very far events, many of them at the same time.
      let ranges: [UInt32] = [1, 1_000, 1_000_000, 4_000_000_000]
      let ahead = Int64(random.below(ranges[round % 4])) * (round % 16 == 0 ? 100_000 : 1)
      let event = Event(now + ahead, kind: UInt8(round % 5), token: UInt32(round), index: Int32(round))
      queue.push(event)
      expected.append(event)
      if round % 3 == 0, let next = queue.pop(until: .max) {
        #expect(next.time >= now)
        now = next.time
        taken.append(next)
      }
    }
    while let next = queue.pop(until: .max) { taken.append(next) }
    #expect(taken.count == expected.count)
    #expect(zip(taken, taken.dropFirst()).allSatisfy { $0.time <= $1.time })
    expected.sort { $0 < $1 }
    taken.sort { $0 < $1 }
    #expect(taken == expected)
    #expect(queue.count == 0)
  }

  @Test func `Events of one moment come out by what they are about`() {
    var queue = EventQueue()
    for kind: UInt8 in [3, 1, 2] { queue.push(Event(5_000_000_000, kind: kind, index: 1)) }
    queue.push(Event(5_000_000_000, kind: 1, index: 0))
    var order: [String] = []
    while let event = queue.pop(until: .max) { order.append("\(event.kind).\(event.index)") }
    #expect(order == ["1.0", "1.1", "2.1", "3.1"])
  }

  @Test func `An event after the end stays in the queue`() {
    var queue = EventQueue()
    queue.push(Event(10, kind: 0, index: 0))
    #expect(queue.pop(until: 9) == nil)
    #expect(queue.pop(until: 10) == Event(10, kind: 0, index: 0))
  }

  @Test func `An event further ahead than the wheels reach comes all the same`() {
    var queue = EventQueue(eventsPerSecond: 1e9, together: 1)
    let far = EventQueue.horizonNanoseconds * 3
    queue.push(Event(far, kind: 0, index: 1))
    queue.push(Event(1, kind: 0, index: 0))
    #expect(queue.pop(until: .max)?.index == 0)
    #expect(queue.pop(until: .max)?.time == far)
  }

  @Test func `Streams depend on seed and name, and not on each other`() {
    func first(_ seed: UInt64, _ name: String) -> [UInt64] {
      var stream = RandomStream(seed: seed, name: name)
      return (0..<4).map { _ in stream.next() }
    }
    #expect(first(1, "OP1") == first(1, "OP1"))
    #expect(first(1, "OP1") != first(2, "OP1"))
    #expect(first(1, "OP1") != first(1, "OP2"))
  }

  @Test func `Exponential times have their mean and its spread`() {
    var stream = RandomStream(seed: 3, name: "mean")
    let count = 200_000
    let values = (0..<count).map { _ in Double(stream.exponential(mean: 1_000_000)) }
    let mean = values.reduce(0, +) / Double(count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    #expect(abs(mean - 1_000_000) < 10_000)
    #expect(abs(variance.squareRoot() - 1_000_000) < 20_000)
    #expect(values.allSatisfy { $0 >= 0 })
  }

  @Test func `A share is spread by the largest remainder`() {
    #expect(Population.spread(140, over: [1, 1, 1]) == [47, 47, 46])
    #expect(Population.spread(10, over: [3, 1]) == [8, 2])
    #expect(Population.spread(0, over: [1, 1]) == [0, 0])
    #expect(Population.spread(1_000_000, over: Array(repeating: 1, count: 7)).reduce(0, +) == 1_000_000)
  }

  @Test func `A server with bounded places serves in order and refuses what exceeds its queue`() {
    var settings = ServiceModel(.init())
    settings.time = 0
    settings.concurrency = 2
    settings.queue = 1
    var server = ServerState(settings, random: RandomStream(seed: 1, name: "W"))
    #expect(server.take(now: 0, slowness: 100) == 100)
    #expect(server.take(now: 10, slowness: 100) == 110)
    #expect(server.take(now: 20, slowness: 100) == 200)
    #expect(server.take(now: 30, slowness: 100) == nil)
    #expect(server.take(now: 105, slowness: 100) == 210)
  }
}
