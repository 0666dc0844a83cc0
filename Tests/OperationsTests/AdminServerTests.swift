import CReactor
import Foundation
import Operations
import Routing
import Synchronization
import Testing

/// A server on a thread of its own, at a path of its own.
private final class Served: Sendable {
  let path: String
  private let isRunning = Mutex(true)
  private let hasEnded = DispatchSemaphore(value: 0)

  convenience init(mode: UInt16 = 0o600, perform: @escaping @Sendable (AdminCommand) -> AdminReply) throws {
    try self.init(mode: mode, answering: { .now(perform($0)) })
  }

  init(mode: UInt16 = 0o600, answering perform: @escaping @Sendable (AdminCommand) -> AdminAnswer) throws {
    path = NSTemporaryDirectory() + "geodirector-\(UUID().uuidString.prefix(12)).sock"
    let listener = try AdminListener(path: path, mode: mode)
    Thread.detachNewThread { [self] in
      var server = AdminServer(listener) { perform($0) }
      server.run { isRunning.withLock { $0 } }
      listener.remove()
      hasEnded.signal()
    }
  }

  /// Stops the server and waits for its end: at once, unless its path leads elsewhere.
  func stop(isInPlace: Bool = true) {
    isRunning.withLock { $0 = false }
    if isInPlace { _ = try? AdminClient(path: path).send(.help) }
    hasEnded.wait()
  }

  /// Sends bytes, closes that direction, and returns all that comes back.
  func exchange(_ bytes: [UInt8]) -> String {
    let descriptor = connected()
    defer { close(descriptor) }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
      if count <= 0 { break }
      rest = rest.dropFirst(count)
    }
    shutdown(descriptor, Int32(SHUT_WR))
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count <= 0 { break }
      answer += buffer[..<count]
    }
    return String(decoding: answer, as: UTF8.self)
  }

  func connected() -> Int32 {
    let descriptor = socket(AF_UNIX, CR_STREAM, 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(status == 0)
    return descriptor
  }
}

/// One that comes when a test says so.
private final class LateReply: PendingReply {
  let descriptor = cr_eventfd()
  let hasBegun = DispatchSemaphore(value: 0)
  private let reply = Mutex<AdminReply?>(nil)

  deinit { close(descriptor) }

  func come(_ reply: AdminReply) {
    self.reply.withLock { $0 = reply }
    cr_eventfd_wake(descriptor)
  }

  func take() -> AdminReply? { reply.withLock { $0 } }
}

private func somePath() -> String { NSTemporaryDirectory() + "geodirector-\(UUID().uuidString.prefix(12)).sock" }

private func echo(_ command: AdminCommand) -> AdminReply { .done(command.line) }

@Suite struct AdminServerTests {
  @Test func whileAnotherProcessTakesOverTheCommandIsGivenAgain() throws {
    let asked = Mutex(0)
    let server = try Served { command in
      asked.withLock { $0 += 1 }
      return asked.withLock { $0 } <= 3 ? .refused(AdminReply.takenOver) : echo(command)
    }
    defer { server.stop() }
    #expect(try AdminClient(path: server.path).send(.status(asJSON: true)) == "status json")
    #expect(asked.withLock { $0 } == 4)
  }

  @Test func aTakeoverThatDoesNotEndIsToldOfInTheEnd() throws {
    let server = try Served { _ in .refused(AdminReply.takenOver) }
    defer { server.stop() }
    #expect(throws: AdminError(AdminReply.takenOver)) {
      _ = try AdminClient(path: server.path, timeoutMilliseconds: 200).send(.reload)
    }
  }

  @Test func severalCommandsOfOneConnectionAreAnsweredInOrder() throws {
    let served = try Served(perform: echo)
    defer { served.stop() }
    #expect(served.exchange(Array("status\r\nready A\n".utf8)) == "ok\nstatus\n\nok\nready A\n\n")
  }

  @Test func aMalformedLineIsAnsweredAndTheNextIsUnderstood() throws {
    let served = try Served(perform: echo)
    defer { served.stop() }
    let answer = served.exchange(Array("drian A\n\nstatus\n".utf8))
    #expect(
      answer
        == "error: unknown command \"drian\"; did you mean \"drain\"?\n\nerror: the line is empty; try \"help\"\n\nok\nstatus\n\n"
    )
  }

  @Test func anEndlessLineIsRefusedAndNotKept() throws {
    let served = try Served(perform: echo)
    defer { served.stop() }
    let answer = served.exchange(Array(repeating: UInt8(ascii: "x"), count: 1_000_000))
    // The rest of the line is not read, so the connection may end by a reset that takes the answer with it.
    #expect(answer.isEmpty || answer == "error: the line is longer than 1024 bytes\n\n")
    #expect(try AdminClient(path: served.path).send(.status(asJSON: false)) == "status")
  }

  @Test func nonsenseOfAnySortLeavesTheServerWell() throws {
    let performed = Mutex<[AdminCommand]>([])
    let served = try Served(perform: { command in
      performed.withLock { $0.append(command) }
      return .done("done")
    })
    defer { served.stop() }
    var random = SplitMix64(seed: 42)
    for _ in 0..<300 {
      let count = Int.random(in: 0...3000, using: &random)
      let bytes = (0..<count).map { _ in
        Int.random(in: 0..<60, using: &random) == 0 ? UInt8(ascii: "\n") : UInt8.random(in: 0...255, using: &random)
      }
      let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      let answer = served.exchange(bytes)
      // What is not text is no command; a line without an end gets no answer.
      #expect(answer.isEmpty || answer.hasPrefix("error: ") || answer.hasPrefix("ok\n"))
      #expect(answer.components(separatedBy: "\n\n").count - 1 <= lines.count)
    }
    #expect(try AdminClient(path: served.path).send(.ready) == "done")
    #expect(performed.withLock { $0.last } == .ready)
  }

  @Test func noLineOfARequestOfHTTPIsACommand() throws {
    let performed = Mutex(0)
    let served = try Served(perform: { _ in
      performed.withLock { $0 += 1 }
      return .done("done")
    })
    defer { served.stop() }
    let answer = served.exchange(Array("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\ndrain D\n".utf8))
    #expect(answer == "error: commands are taken here, not requests of HTTP\n\n")
    #expect(performed.withLock { $0 } == 0)
  }

  @Test func whoNeverReadsAndWhoNeverWritesDelayNobody() throws {
    let large = String(repeating: "x", count: 400_000)
    let served = try Served(perform: { _ in .done(large) })
    defer { served.stop() }
    let silent = (0..<5).map { _ in served.connected() }
    let deaf = (0..<5).map { _ in served.connected() }
    defer { for descriptor in silent + deaf { close(descriptor) } }
    for descriptor in deaf { _ = "status\nstatus\n".withCString { send(descriptor, $0, 14, 0) } }
    let began = ContinuousClock.now
    #expect(try AdminClient(path: served.path).send(.status(asJSON: false)).count == large.count)
    #expect(began.duration(to: .now) < .seconds(5))
  }

  @Test func silentConnectionsDoNotLockTheOperatorOut() throws {
    let served = try Served(perform: echo)
    defer { served.stop() }
    let silent = (0..<40).map { _ in served.connected() }
    defer { for descriptor in silent { close(descriptor) } }
    #expect(try AdminClient(path: served.path).send(.status(asJSON: false)) == "status")
  }

  @Test func whoWaitsForALongAnswerDelaysNobodyAndIsAnsweredInOrder() throws {
    let reply = LateReply()
    let served = try Served(answering: { command in
      guard command == .reload else { return .now(echo(command)) }
      reply.hasBegun.signal()
      return .later(reply, milliseconds: 60_000)
    })
    defer { served.stop() }
    let answers = Mutex("")
    let isOver = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      let text = served.exchange(Array("reload\nready A\n".utf8))
      answers.withLock { $0 = text }
      isOver.signal()
    }
    reply.hasBegun.wait()
    // As many as there are places for: the one who waits keeps its own.
    let silent = (0..<20).map { _ in served.connected() }
    defer { for descriptor in silent { close(descriptor) } }
    #expect(try AdminClient(path: served.path).send(.status(asJSON: false)) == "status")
    reply.come(.done("reloaded"))
    isOver.wait()
    #expect(answers.withLock { $0 } == "ok\nreloaded\n\nok\nready A\n\n")
  }

  @Test func anAnswerThatDoesNotComeIsGivenUpAndWhoLeavesIsForgotten() throws {
    let reply = LateReply()
    let served = try Served(answering: { $0 == .reload ? .later(reply, milliseconds: 200) : .now(echo($0)) })
    defer { served.stop() }
    #expect(served.exchange(Array("reload\n".utf8)) == "error: the node does not answer\n\n")
    close(served.connected())
    #expect(try AdminClient(path: served.path).send(.status(asJSON: false)) == "status")
  }

  @Test func aListenerThatAcceptsNothingIsNotAskedWithoutPause() throws {
    let listener = try AdminListener(path: somePath(), mode: 0o600)
    defer { listener.remove() }
    // It stays ready, and each attempt fails: as when descriptors have run out.
    shutdown(listener.descriptor, Int32(SHUT_RDWR))
    var server = AdminServer(listener) { .now(echo($0)) }
    let ends = ContinuousClock.now + .milliseconds(500)
    var rounds = 0
    server.run {
      rounds += 1
      return ContinuousClock.now < ends
    }
    #expect((2...20).contains(rounds))
  }

  @Test func theWholeAnswerHasItsTimeNotEachByte() throws {
    let path = somePath()
    let listener = try AdminListener(path: path, mode: 0o600)
    defer { listener.remove() }
    let isOver = Mutex(false)
    let hasEnded = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      var line = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
      poll(&line, 1, 10_000)
      let descriptor = accept(listener.descriptor, nil, nil)
      for _ in 0..<200 where !isOver.withLock({ $0 }) {
        _ = send(descriptor, "o", 1, Int32(MSG_NOSIGNAL))
        usleep(50_000)
      }
      close(descriptor)
      hasEnded.signal()
    }
    let began = ContinuousClock.now
    #expect(throws: AdminError("\(path): no answer within 300 ms")) {
      try AdminClient(path: path, timeoutMilliseconds: 300).send(.help)
    }
    #expect(began.duration(to: .now) < .seconds(5))
    isOver.withLock { $0 = true }
    hasEnded.wait()
  }

  @Test func aFileWhereTheSocketIsMadeIsNotRemoved() throws {
    let path = somePath()
    try "precious".write(toFile: path + ".new", atomically: true, encoding: .utf8)
    defer { unlink(path + ".new") }
    #expect(throws: AdminError.self) { try AdminListener(path: path, mode: 0o600) }
    #expect(try String(contentsOfFile: path + ".new", encoding: .utf8) == "precious")
  }

  @Test func thePathHasThePermissionsAndIsGoneAfterTheEnd() throws {
    let served = try Served(mode: 0o620, perform: echo)
    var status = stat()
    #expect(stat(served.path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o620)
    served.stop()
    #expect(stat(served.path, &status) != 0)
    #expect(throws: AdminError.self) { try AdminClient(path: served.path).send(.help) }
  }

  @Test func aSocketThatIsServedStaysUntilAnotherTakesItsPlace() throws {
    let served = try Served(perform: echo)
    var status = stat()
    // One whose start fails.
    try AdminListener(path: served.path, mode: 0o600).remove()
    #expect(lstat(served.path + ".new", &status) != 0)
    #expect(try AdminClient(path: served.path).send(.status(asJSON: false)) == "status")
    let next = try AdminListener(path: served.path, mode: 0o600)
    #expect(!next.isInPlace)
    #expect(try AdminClient(path: served.path).send(.status(asJSON: false)) == "status")
    try next.takePlace()
    #expect(next.isInPlace && lstat(served.path + ".new", &status) != 0)
    served.stop(isInPlace: false)
    #expect(next.isInPlace && !next.isDisplaced)
    next.remove()
    #expect(lstat(served.path, &status) != 0)
  }

  @Test func whoIsDisplacedIsFoundBesideThePathAndAskedWhenNobodyElseListens() throws {
    let served = try Served(perform: echo)
    let next = try AdminListener(path: served.path, mode: 0o600)
    try next.takePlace()
    // The one in the place has ended without taking its socket away, as one that may not.
    close(next.descriptor)
    let client = AdminClient(path: served.path)
    #expect(client.isAnybodyThere)
    #expect(try client.send(.status(asJSON: false)) == "status")
    served.stop(isInPlace: false)
    var status = stat()
    #expect(lstat(served.path + ".old", &status) != 0, "it goes with its process")
    #expect(throws: AdminError.self) { try client.send(.help) }
    unlink(served.path)
  }

  @Test func aSocketIsTakenOverOnlyAsTheFileItIs() throws {
    let served = try Served(perform: echo)
    let stranger = try AdminListener(path: served.path, mode: 0o600)
    try stranger.takePlace()
    defer { stranger.remove() }
    let other = dup(stranger.descriptor)
    defer { close(other) }
    // What another one has put at the path is not it; beside it, it is.
    #expect(AdminListener(path: served.path, mode: 0o600, adopting: other, inode: stranger.inode &+ 1) == nil)
    #expect(AdminListener(path: served.path, mode: 0o644, adopting: other, inode: stranger.inode) == nil)
    #expect(AdminListener(path: served.path, mode: 0o600, adopting: other, inode: stranger.inode)?.isInPlace == true)
    var status = stat()
    #expect(lstat(served.path + ".old", &status) == 0)
    let aside = AdminListener(path: served.path, mode: 0o600, adopting: other, inode: UInt(status.st_ino))
    #expect(aside?.isAside == true && aside?.isInPlace == false)
    served.stop(isInPlace: false)
    #expect(stranger.isInPlace)
  }

  @Test func aPlacerTakesThePlaceWhenItIsAskedToAndElseCleansUp() throws {
    let served = try Served(perform: echo)
    let cancelled = try AdminListener(path: served.path, mode: 0o600)
    try AdminPlacer(cancelled).cancel()
    var status = stat()
    #expect(!cancelled.isInPlace && lstat(served.path + ".new", &status) != 0)
    close(cancelled.descriptor)
    let next = try AdminListener(path: served.path, mode: 0o600)
    let placer = try AdminPlacer(next)
    #expect(!next.isInPlace)
    try placer.take()
    #expect(next.isInPlace && lstat(served.path + ".old", &status) == 0)
    // Somebody else begins in between.
    let late = try AdminListener(path: served.path, mode: 0o600)
    let tooLate = try AdminPlacer(late)
    let first = try AdminListener(path: served.path, mode: 0o600)
    #expect(throws: AdminError.self) { try tooLate.take() }
    for listener in [late, first, next] { listener.remove() }
    served.stop(isInPlace: false)
    for suffix in ["", ".new", ".old"] { #expect(lstat(served.path + suffix, &status) != 0) }
  }

  @Test func twoThatBeginAtOnceDoNotPassTheOthersSocketOffAsTheirs() throws {
    let served = try Served(perform: echo)
    defer { served.stop() }
    let first = try AdminListener(path: served.path, mode: 0o600)
    let second = try AdminListener(path: served.path, mode: 0o600)
    #expect(throws: AdminError.self) { try first.takePlace() }
    first.remove()
    try second.takePlace()
    #expect(second.isInPlace)
    second.remove()
  }

  @Test func whatAnEndedProcessLeftIsReplacedAndAFileIsNot() throws {
    let path = NSTemporaryDirectory() + "geodirector-\(UUID().uuidString.prefix(12)).sock"
    let left = try AdminListener(path: path, mode: 0o600)
    // Its socket is gone, its number is not: that would be another test's by the time `remove` closes it.
    let nothing = open("/dev/null", O_RDWR)
    #expect(dup2(nothing, left.descriptor) == left.descriptor)
    close(nothing)
    let right = try AdminListener(path: path, mode: 0o600)
    // The one that is gone must not take away its successor's path.
    left.remove()
    var status = stat()
    #expect(lstat(path, &status) == 0)
    right.remove()
    #expect(lstat(path, &status) != 0)
    try "precious".write(toFile: path, atomically: true, encoding: .utf8)
    defer { unlink(path) }
    #expect(throws: AdminError.self) { try AdminListener(path: path, mode: 0o600) }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
  }
}

extension AdminCommand {
  fileprivate static let ready = AdminCommand.order(AdminOrder(.ready, target: "A"))
}
