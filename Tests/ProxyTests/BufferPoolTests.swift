import Glibc
import Testing

@testable import Proxy

/// Buffers that a crowd needed go back to the system when it has gone.
@Suite struct BufferPoolTests {
  /// Pages of the buffer that are in memory.
  private static func residentPages(_ buffer: Buffer) -> Int {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = Int(bitPattern: buffer.base!) / page * page
    let count = (Int(bitPattern: buffer.base!) + buffer.size.bytes - start + page - 1) / page
    var states = [UInt8](repeating: 0, count: count)
    let status = mincore(UnsafeMutableRawPointer(bitPattern: start), count * page, &states)
    #expect(status == 0)
    return states.count { $0 & 1 == 1 }
  }

  private static func filled(_ buffer: Buffer) -> Buffer {
    buffer.base!.initializeMemory(as: UInt8.self, repeating: 0x41, count: buffer.size.bytes)
    return buffer
  }

  @Test(arguments: Buffer.Size.allCases)
  func whatACrowdGaveBackIsKeptWithinABound(_ size: Buffer.Size) {
    var pool = BufferPool()
    let count = 1_500
    var crowd: [Buffer] = []
    for _ in 0..<count { crowd.append(Self.filled(pool.take(for: size.capacity))) }
    #expect(pool.inUse == count)
    #expect(crowd.allSatisfy { $0.size == size && Self.residentPages($0) * 4_096 >= size.bytes })
    let places = crowd
    for index in crowd.indices { pool.giveBack(&crowd[index]) }
    #expect(pool.inUse == 0)
    let resident = places.reduce(0) { $0 + Self.residentPages($1) } * 4_096
    #expect(resident <= 12 << 20, "\(resident) bytes of \(count * size.bytes) are still in memory")
    #expect(resident > 0, "the next requests find warm memory")
  }

  @Test func buffersAreTheirHoldersAlone() {
    var pool = BufferPool()
    var held: [Buffer] = []
    for round in 0..<3 {
      // More than are kept, so that some come back from the system.
      for index in 0..<900 {
        let size = Buffer.Size.allCases[index % 3]
        let buffer = pool.take(for: size.capacity)
        buffer.base!.storeBytes(of: Int64(held.count), as: Int64.self)
        (buffer.base! + size.bytes - 8).storeBytes(of: Int64(held.count), as: Int64.self)
        held.append(buffer)
      }
      for (index, buffer) in held.enumerated() {
        #expect(buffer.base!.load(as: Int64.self) == Int64(index), "round \(round)")
        #expect((buffer.base! + buffer.size.bytes - 8).load(as: Int64.self) == Int64(index), "round \(round)")
      }
      for index in held.indices { pool.giveBack(&held[index]) }
      held = []
    }
    #expect(pool.inUse == 0)
  }

  @Test(arguments: [
    (1, Buffer.Size.small), (Buffer.Size.small.capacity, .small), (Buffer.Size.small.capacity + 1, .middle),
    (Buffer.Size.middle.capacity, .middle), (Buffer.Size.middle.capacity + 1, .large),
    (Buffer.Size.large.capacity, .large),
  ])
  func theSmallestBufferThatHoldsItIsTaken(_ count: Int, _ size: Buffer.Size) {
    var pool = BufferPool()
    var buffer = pool.take(for: count)
    #expect(buffer.size == size)
    #expect(buffer.room >= count)
    pool.giveBack(&buffer)
    #expect(!buffer.isHeld)
  }
}
