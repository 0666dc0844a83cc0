internal import CReactor
internal import Glibc
internal import Operations
internal import Synchronization
internal import Topology

/// The thread that serves a node's status page. It asks the control thread as commands do; workers take no part.
final class StatusPageThread: Sendable {
  /// The listening socket.
  let descriptor: Int32
  /// As planned.
  let page: StatusPagePlan
  private let authentication: BasicAuthentication
  private let process: ProcessShared
  private let end = Atomic<UInt8>(End.none.rawValue)
  private let isOver = Atomic<Bool>(false)

  private enum End: UInt8 {
    case none, retired, retiredWithSocket
  }

  /// As for commands: seconds mean that something is badly wrong.
  private static let answerMilliseconds: Int32 = 5_000
  /// Bytes of a file with a password that are read.
  private static let fileBytesMax = 4_096

  /// Reads the password, so before privileges are given up.
  /// - Throws: `NodeError` when there is none: the page is never shown without.
  init(_ page: StatusPagePlan, of plan: NodePlan, at descriptor: Int32, _ process: ProcessShared) throws(NodeError) {
    self.page = page
    self.descriptor = descriptor
    self.process = process
    let password: String
    do throws(TextError) {
      password = try Self.value(of: page.password)
    } catch {
      throw NodeError(
        kind: .configuration,
        description: "the password of the status page of \(plan.name): \(error.message); \(error.mend ?? "")")
    }
    authentication = BasicAuthentication(user: page.user, password: password)
  }

  /// The secret itself.
  static func value(of secret: Secret) throws(TextError) -> String {
    var text: String
    switch secret {
    case .environment(let name):
      guard let value = getenv(name) else {
        throw TextError("the environment has no \(name)", mend: "set it before the node is started")
      }
      text = String(cString: value)
    case .file(let path):
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else {
        throw TextError("\(path): \(String(cString: strerror(errno)))", mend: "make a file that the node may read")
      }
      defer { close(file) }
      var bytes = [UInt8](repeating: 0, count: fileBytesMax)
      let count = read(file, &bytes, bytes.count)
      guard count >= 0 else { throw TextError("\(path): \(String(cString: strerror(errno)))", mend: "name a file") }
      let line = bytes[..<count].prefix { $0 != 10 }
      text = String(decoding: line.last == 13 ? line.dropLast() : line, as: UTF8.self)
    }
    // RFC 7617 section 2 has no control characters in a password.
    guard !text.isEmpty, text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F && $0 != "\u{FFFD}" })
    else { throw TextError("\(secret.text) has no text", mend: "one line of text is expected") }
    return text
  }

  /// Starts it.
  func start() throws(ThreadFailure) {
    try ServiceThread.start("status-page", stackBytes: ServiceThread.smallStack) { self.run() }
  }

  /// Another page is served in its place, or none: the thread ends within a second or so, and the socket with it unless that `goesOn`.
  func retire(socketGoesOn goesOn: Bool) {
    end.store((goesOn ? End.retired : .retiredWithSocket).rawValue, ordering: .releasing)
  }

  /// Nobody is served any more, and nobody waits for an answer.
  var hasEnded: Bool { isOver.load(ordering: .acquiring) }

  private func run() {
    cr_thread_yield_to_others(10)
    var server = StatusServer(descriptor: descriptor, path: page.path, authentication: authentication) { [process] in
      let ticket = AdminMailbox.Ticket(.status(asJSON: false))
      process.administration.post(ticket)
      process.controlWaker.wake()
      guard case .status(let status, _)? = ticket.await(milliseconds: Self.answerMilliseconds) else { return nil }
      return status
    }
    server.run { end.load(ordering: .acquiring) == End.none.rawValue }
    if end.load(ordering: .acquiring) == End.retiredWithSocket.rawValue { _ = cr_close(descriptor) }
    isOver.store(true, ordering: .releasing)
    process.controlWaker.wake()
  }
}
