import CReactor
import Glibc
import Testing

@testable import Reactor

/// A reactor with a listener of its own, driven until what is awaited has come.
final class Loop {
  var reactor: Reactor
  let listener: Int32
  let address: SocketAddress
  private var unclaimed: [Reactor.Completion] = []

  enum Family: CaseIterable, Sendable { case ipv4, ipv6, unix }

  init(_ family: Family = .ipv4, capacity: Int = 16) throws {
    reactor = try Reactor(capacity: capacity)
    var wanted =
      switch family {
      case .ipv4: SocketAddress(ipv4: 0x7F00_0001, port: 0)
      case .ipv6: SocketAddress(ipv6: 0, 1, port: 0)
      case .unix: SocketAddress(unix: "@geodirector-reactor-\(getpid())-\(UInt64.random(in: 0 ... .max))")!
      }
    listener = cr_listen(&wanted.raw, 16, 0)
    try #require(listener >= 0)
    var bound = cr_address()
    try #require(cr_local_address(listener, &bound) >= 0)
    address = SocketAddress(raw: bound)
    try #require(reactor.accept(from: listener, token: 1) != nil)
  }

  deinit { _ = cr_close(listener) }

  /// The completion of an operation; others that come before it are kept for later. Nil: it has not come in time.
  func completion(_ operation: Reactor.Operation, token: UInt64) -> Reactor.Completion? {
    for _ in 0..<200 {
      if let position = unclaimed.firstIndex(where: { $0.operation == operation && $0.token == token }) {
        return unclaimed.remove(at: position)
      }
      reactor.wait(milliseconds: 50)
      while let next = reactor.next() { unclaimed.append(next) }
    }
    return nil
  }

  /// Both ends of a connection.
  func pair() throws -> (client: Reactor.Socket, server: Reactor.Socket) {
    let client = try reactor.connect(to: address, userTimeoutMilliseconds: 3_000, token: 2)
    let connected = completion(.connect, token: 2)
    try #require(connected?.result == 0)
    let accepted = completion(.accept, token: 1)
    let descriptor = try #require(accepted).result
    try #require(descriptor >= 0)
    let server = reactor.adopt(Int32(descriptor), token: 3)
    return (client, try #require(server))
  }

  func send(_ bytes: [UInt8], over socket: Reactor.Socket) -> Int {
    bytes.withUnsafeBytes { reactor.send(socket, $0.baseAddress!, count: $0.count) }
  }
}

@Suite struct SocketTests {
  @Test("what came for a socket later in the batch is known before the first is handed out")
  func readinessOfTheWholeBatch() throws {
    let loop = try Loop()
    var pairs: [(client: Reactor.Socket, server: Reactor.Socket)] = []
    for number in 0..<2 {
      let pair = try loop.pair()
      loop.reactor.setToken(pair.server, UInt64(10 + number))
      let isReady = loop.reactor.awaitInput(pair.server)
      if isReady { _ = loop.completion(.input, token: UInt64(10 + number)) }
      pairs.append(pair)
    }
    // Whatever was reported of the connecting is over.
    loop.reactor.wait(milliseconds: 0)
    while loop.reactor.next() != nil {}
    let known = [loop.reactor.mayReceive(pairs[0].server), loop.reactor.mayReceive(pairs[1].server)]
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
    defer { memory.deallocate() }
    for (number, isKnown) in known.enumerated() where isKnown {
      // A socket is taken for readable until the kernel has said otherwise once.
      let result = loop.reactor.receive(pairs[number].server, into: memory, count: 8)
      try #require(result == Reactor.pending)
      loop.reactor.cancelReceive(pairs[number].server)
      _ = loop.reactor.awaitInput(pairs[number].server)
    }
    for pair in pairs {
      let sent = loop.send([1], over: pair.client)
      #expect(sent == 1)
    }
    loop.reactor.wait(milliseconds: 1_000)
    let first = loop.reactor.next()
    let other = first?.token == 10 ? pairs[1].server : pairs[0].server
    let isSeen = loop.reactor.mayReceive(other)
    #expect(first != nil && isSeen, "its event is in the batch, behind the one that was given")
  }

  @Test("bytes pass both ways, and the end of the stream is seen", arguments: Loop.Family.allCases)
  func exchange(family: Loop.Family) throws {
    let loop = try Loop(family)
    let (client, server) = try loop.pair()
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
    defer { memory.deallocate() }
    let early = loop.reactor.receive(server, into: memory, count: 64)
    #expect(early == Reactor.pending)
    let sent = loop.send(Array("hello".utf8), over: client)
    #expect(sent == 5)
    let received = loop.completion(.receive, token: 3)
    #expect(received?.result == 5)
    #expect(String(decoding: UnsafeRawBufferPointer(start: memory, count: 5), as: UTF8.self) == "hello")
    let back = loop.send(Array("bye".utf8), over: server)
    #expect(back == 3)
    loop.reactor.shutdownSend(server)
    if !loop.reactor.awaitInput(client) {
      let input = loop.completion(.input, token: 2)
      #expect(input != nil)
    }
    let answer = loop.reactor.receive(client, into: memory, count: 64)
    #expect(answer == 3)
    var end = loop.reactor.receive(client, into: memory, count: 64)
    if end == Reactor.pending { end = loop.completion(.receive, token: 2)?.result ?? -1 }
    #expect(end == 0)
    loop.reactor.close(client)
    loop.reactor.close(server)
    let left = loop.reactor.socketCount
    #expect(left == 1, "the listener")
  }

  @Test("a refused connection completes as such or is thrown", arguments: Loop.Family.allCases)
  func refused(family: Loop.Family) throws {
    let loop = try Loop(family)
    // Nobody listens there any more.
    let nobody = try Loop(family).address
    do {
      let socket = try loop.reactor.connect(to: nobody, userTimeoutMilliseconds: 0, token: 9)
      let failed = loop.completion(.connect, token: 9)
      #expect(failed?.result == -Int(ECONNREFUSED))
      loop.reactor.close(socket)
    } catch {
      #expect(error.code == ECONNREFUSED)
    }
    let left = loop.reactor.socketCount
    #expect(left == 1)
  }

  @Test("a handle of a closed socket is recognised, also when its slot serves another")
  func staleHandles() throws {
    let loop = try Loop()
    let (client, server) = try loop.pair()
    loop.reactor.close(client)
    loop.reactor.close(client)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
    defer { memory.deallocate() }
    let result = loop.reactor.receive(client, into: memory, count: 8)
    #expect(result == -Int(EBADF))
    let next = try loop.reactor.connect(to: loop.address, userTimeoutMilliseconds: 0, token: 4)
    #expect(next != client)
    loop.reactor.close(client)
    let descriptor = loop.reactor.descriptor(of: next)
    #expect(descriptor >= 0, "the other is untouched")
    let gone = loop.reactor.descriptor(of: client)
    #expect(gone == -1)
    loop.reactor.close(server)
    loop.reactor.close(next)
  }

  @Test("a slow reader stops its writer, who goes on when there is room")
  func backpressure() throws {
    let loop = try Loop()
    let (client, server) = try loop.pair()
    let chunk = [UInt8](repeating: 7, count: 1 << 20)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 1 << 20, alignment: 8)
    let source = UnsafeMutableRawPointer.allocate(byteCount: chunk.count, alignment: 8)
    source.copyMemory(from: chunk, byteCount: chunk.count)
    defer {
      memory.deallocate()
      source.deallocate()
    }
    var sent = 0
    var result = 0
    while sent < 1 << 30 {
      result = loop.reactor.send(client, source, count: chunk.count)
      if result == Reactor.pending { break }
      try #require(result > 0)
      sent += result
    }
    try #require(result == Reactor.pending)
    var received = 0
    var completed: Int?
    for _ in 0..<100_000 {
      let got = loop.reactor.receive(server, into: memory, count: 1 << 20)
      if got > 0 {
        received += got
        continue
      }
      try #require(got == Reactor.pending)
      if completed != nil && received == sent + completed! { break }
      loop.reactor.wait(milliseconds: 50)
      while let next = loop.reactor.next() {
        if next.operation == .send { completed = next.result }
        if next.operation == .receive { received += next.result }
      }
      if let completed, received == sent + completed { break }
      loop.reactor.cancelReceive(server)
    }
    #expect(completed.map { $0 > 0 } == true)
    #expect(received == sent + (completed ?? 0))
  }

  @Test("a reset is told to a socket with nothing under way")
  func hangup() throws {
    let loop = try Loop()
    let (client, server) = try loop.pair()
    loop.reactor.close(server, reset: true)
    let told = loop.completion(.hangup, token: 2)
    #expect(told != nil)
    loop.reactor.close(client)
  }

  @Test("another thread's wake ends the wait, several make at least one")
  func wake() throws {
    let loop = try Loop()
    loop.reactor.waker.wake()
    loop.reactor.waker.wake()
    let woken = loop.completion(.wake, token: 0)
    #expect(woken != nil)
  }

  @Test("a full reactor says so and keeps the caller's descriptor")
  func capacity() throws {
    let loop = try Loop(capacity: 2)
    let only = try loop.reactor.connect(to: loop.address, userTimeoutMilliseconds: 0, token: 2)
    do {
      _ = try loop.reactor.connect(to: loop.address, userTimeoutMilliseconds: 0, token: 3)
      Issue.record("there was room")
    } catch {
      #expect(error == SystemError(code: EMFILE))
    }
    let accepted = loop.completion(.accept, token: 1)
    let descriptor = Int32(try #require(accepted).result)
    let adopted = loop.reactor.adopt(descriptor, token: 4)
    #expect(adopted == nil)
    #expect(fcntl(descriptor, F_GETFD) >= 0)
    loop.reactor.close(only)
    let again = loop.reactor.adopt(descriptor, token: 4)
    #expect(again != nil)
  }

  @Test("addresses keep their parts, names resolve, Unix paths are bounded")
  func addresses() {
    let v4 = SocketAddress(ipv4: 0x7F01_0203, port: 8080).parts
    #expect(v4.high == 0 && v4.low == 0xFFFF_7F01_0203 && v4.port == 8080)
    let v6 = SocketAddress(ipv6: 0x2001_0DB8_0000_0000, 7, port: 1).parts
    #expect(v6.high == 0x2001_0DB8_0000_0000 && v6.low == 7 && v6.port == 1)
    let isAddress = ["", "x", String(repeating: "x", count: 107), String(repeating: "x", count: 108)].map {
      SocketAddress(unix: $0) != nil
    }
    #expect(isAddress == [false, true, true, false])
    #expect(!SocketAddress.resolve(name: "localhost", port: 80).isEmpty)
    #expect(SocketAddress.resolve(name: "nowhere.invalid", port: 80).isEmpty)
  }
}
