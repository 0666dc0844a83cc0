import Testing
import Topology

@testable import Proxy

/// Bounds of client connections by listener and by source.
@Suite struct ConnectionBoundTests {
  /// An IPv4 address as connections bear it.
  private func ipv4(_ last: UInt64) -> (UInt64, UInt64) { (0, 0xFFFF_0A00_0000 | last) }

  private func table(_ limit: Int, exempt: [String] = []) throws -> SourceTable {
    try #require(SourceTable(limit: limit, exempt: exempt.map { try Network(parsing: $0) }))
  }

  @Test func withoutABoundThereIsNoTable() {
    #expect(SourceTable(limit: 0, exempt: []) == nil)
  }

  @Test func aSourceAtItsBoundIsRefusedUntilOneOfItsConnectionsEnds() throws {
    let table = try table(2)
    let (high, low) = ipv4(1)
    #expect(table.open(high, low))
    #expect(table.open(high, low))
    // What is refused is not counted, however often it is tried.
    for _ in 0..<5 { #expect(!table.open(high, low)) }
    table.close(high, low)
    #expect(table.open(high, low))
    #expect(!table.open(high, low))
  }

  @Test func sourcesAreCountedEachForItself() throws {
    let table = try table(1)
    for last in 1...50 {
      let (high, low) = ipv4(UInt64(last))
      #expect(table.open(high, low))
      #expect(!table.open(high, low))
    }
  }

  @Test func anIPv6SourceIsItsSlash64() throws {
    let table = try table(2)
    #expect(table.open(0x2001_0DB8_0000_0001, 1))
    #expect(table.open(0x2001_0DB8_0000_0001, 0xFFFF_FFFF_FFFF_FFFF))
    #expect(!table.open(0x2001_0DB8_0000_0001, 2))
    #expect(table.open(0x2001_0DB8_0000_0002, 2))
    // Any address of the network gives back what another one took.
    table.close(0x2001_0DB8_0000_0001, 1)
    #expect(table.open(0x2001_0DB8_0000_0001, 3))
  }

  @Test func exemptNetworksAndUnixSocketsAreNotBounded() throws {
    let table = try table(1, exempt: ["10.0.0.0/30", "2001:db8::/32"])
    for _ in 0..<10 {
      #expect(table.open(ipv4(3).0, ipv4(3).1))
      #expect(table.open(0x2001_0DB8_FFFF_0000, 7))
      #expect(table.open(0, 0))
    }
    #expect(table.open(ipv4(4).0, ipv4(4).1))
    #expect(!table.open(ipv4(4).0, ipv4(4).1))
  }

  @Test func closingWhatWasNeverCountedChangesNothing() throws {
    let table = try table(1)
    let (high, low) = ipv4(9)
    table.close(high, low)
    #expect(table.open(high, low))
    #expect(!table.open(high, low))
  }

  @Test func manyThreadsNeverExceedASourcesBound() async throws {
    let table = try table(7)
    let admitted = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask { (0..<1_000).count { _ in table.open(0, 0xFFFF_0A00_0001) } }
      }
      return await group.reduce(0, +)
    }
    #expect(admitted == 7)
  }

  @Test func aListenerAtItsBoundIsFullUntilOneOfItsConnectionsEnds() {
    let counts = ListenerCounts([2, 0, 1])
    #expect(counts.open(0))
    #expect(!counts.isFull(0))
    #expect(counts.open(0))
    #expect(counts.isFull(0))
    for _ in 0..<5 { #expect(!counts.open(0)) }
    counts.close(0)
    #expect(!counts.isFull(0))
    #expect(counts.open(0))
    #expect(!counts.open(0))
    // The others are not touched.
    #expect(counts.open(2))
    #expect(counts.isFull(2))
  }

  @Test func aListenerWithoutABoundIsNeverFull() {
    let counts = ListenerCounts([0])
    for _ in 0..<1_000 { #expect(counts.open(0)) }
    #expect(!counts.isFull(0))
    counts.close(0)
    #expect(!counts.isFull(0))
  }

  @Test func manyThreadsNeverExceedAListenersBound() async {
    let counts = ListenerCounts([5])
    let admitted = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 { group.addTask { (0..<1_000).count { _ in counts.open(0) } } }
      return await group.reduce(0, +)
    }
    #expect(admitted == 5)
    #expect(counts.isFull(0))
  }

  @Test func manyThreadsNeverExceedTheBoundOfTheProcessAndGiveBackWhatTheyTook() async {
    let count = ConnectionCount(limit: 3)
    let admitted = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<8 { group.addTask { (0..<1_000).count { _ in count.open() } } }
      return await group.reduce(0, +)
    }
    #expect(admitted == 3 && count.isFull && count.count == 3)
    count.close()
    #expect(!count.isFull && count.open() && !count.open())
  }
}
