internal import CReactor
internal import Glibc
internal import Reactor
internal import Topology

/// The line between a process that hands its sockets over and the one that takes them.
///
/// ```
/// old                                   new
/// header, sockets, end of sockets  -->  reads the topology, binds what is new, starts its workers
///                                  <--  prepared
/// state                            -->  goes on from there, serves beside the old one
/// checks nobody from here on       <--  ready, and what it does not use
/// yours                            -->  writes the pid file, takes commands, checks
///                                  <--  taken
/// leaves its listeners, finishes what it has, ends
///                                  <--  stop, with the milliseconds it may take; order, as it is given to the new one
/// ```
/// The line stays open until the end of the old one, so that the new one knows whether it still serves; lines to those before it are
/// handed over. A program that knows nothing of the words after `taken` does not read them.
///
/// Until `taken` the old one keeps all it has, and goes on as before when the new one closes the line or says nothing in time: it says
/// `withdrawn` and kills that then. If the line closes without that word, the old one has died: the new one goes on alone once it was
/// given all sockets. A message is a letter and text; its descriptors stand for its lines.
struct HandOverLine {
  /// What a message is.
  enum Kind: UInt8 {
    case header = 0x48
    case sockets = 0x53
    case end = 0x45
    case prepared = 0x50
    case state = 0x4D
    case ready = 0x52
    case yours = 0x59
    case taken = 0x54
    case withdrawn = 0x57
    case failed = 0x46
    case stop = 0x58
    case order = 0x4F
  }

  /// Why there is no message.
  enum Failure: Error, CustomStringConvertible {
    case gone
    case silent(milliseconds: Int32)
    case foreign
    case system(Int32)

    var description: String {
      switch self {
      case .gone: "it has gone"
      case .silent(let milliseconds): "it said nothing for \(milliseconds / 1_000) s"
      case .foreign: "it spoke another language"
      case .system(let code): "\(SystemError(code: code))"
      }
    }
  }

  struct Message {
    var kind: Kind
    var text: String
    var descriptors: [Int32]
  }

  /// The form of the messages, with its number. A program that does not know it takes nothing over.
  static let version = "geodirector-hand-over 2"
  /// The environment's variable with the number of the line's descriptor.
  static let variable = "GEODIRECTOR_HANDOVER"
  /// That number, in the new process.
  static let target: Int32 = 3
  private static let bytesMax = 128 * 1024
  /// What stands before the number of a line to a process that handed over earlier.
  static let before = "before "
  /// Descriptors of one message.
  static let descriptorsMax = 100

  let descriptor: Int32

  /// False: the other side has gone.
  @discardableResult
  func send(_ kind: Kind, _ text: String = "", _ descriptors: [Int32] = []) -> Bool {
    let bytes = [kind.rawValue] + Array(text.utf8.prefix(Self.bytesMax - 1))
    return cr_send_message(descriptor, bytes, bytes.count, descriptors, Int32(descriptors.count)) == 0
  }

  /// Sends a message if that needs no waiting. False: the other side has not read what was sent before, as one that is stopped, or whose
  /// program does not know the words that come by now. One that has gone needs no message.
  func offer(_ kind: Kind, _ text: String) -> Bool {
    let bytes = [kind.rawValue] + Array(text.utf8.prefix(Self.bytesMax - 1))
    if Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) >= 0 { return true }
    return errno == EPIPE || errno == ECONNRESET
  }

  /// The process that has made the line; nil: nobody knows.
  var maker: Int32? {
    let process = cr_peer_process(descriptor)
    return process > 0 ? process : nil
  }

  /// The next message; why there is none.
  func receive(milliseconds: Int32) throws(Failure) -> Message {
    var bytes = [UInt8](repeating: 0, count: Self.bytesMax)
    var descriptors = [Int32](repeating: -1, count: Int(CR_DESCRIPTORS_MAX))
    var count: Int32 = 0
    let status = cr_receive_message(descriptor, &bytes, bytes.count, &descriptors, &count, milliseconds)
    let received = Array(descriptors.prefix(Int(count)))
    guard status > 0, let kind = Kind(rawValue: bytes[0]) else {
      for descriptor in received { _ = cr_close(descriptor) }
      switch status {
      case 0, -ECONNRESET: throw .gone
      case -ETIMEDOUT: throw .silent(milliseconds: milliseconds)
      case 1...: throw .foreign
      default: throw .system(status)
      }
    }
    let text = String(decoding: bytes[1..<Int(status)], as: UTF8.self)
    return Message(kind: kind, text: text, descriptors: received)
  }

  func close() { _ = cr_close(descriptor) }
}

/// What a process is given by the one that it takes over from.
final class Inheritance {
  private let line: HandOverLine
  private(set) var sockets: [NodeSocket] = []
  /// Descriptors by what they are of: `lock NAME`, `admin PATH`, `admin-file INODE PATH`, `log PATH`, `pid PATH`, `before NUMBER`.
  private var others: [String: Int32] = [:]
  /// The process before has died meanwhile: what it had is this one's.
  private(set) var isAlone = false
  private static let milliseconds: Int32 = 10_000

  /// What was handed over; nil: nothing was.
  static func take() throws(NodeError) -> Inheritance? {
    guard let text = getenv(HandOverLine.variable).map({ String(cString: $0) }) else { return nil }
    // Programs that are run from here have no part in it.
    unsetenv(HandOverLine.variable)
    guard let descriptor = Int32(text), descriptor > 2, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { return nil }
    return try Inheritance(HandOverLine(descriptor: descriptor))
  }

  private init(_ line: HandOverLine) throws(NodeError) {
    self.line = line
    let header = try Self.next(line)
    guard header.kind == .header, header.text == HandOverLine.version else {
      let given = String(header.text.prefix(40))
      line.send(
        .failed,
        "its program takes over in the form \"\(HandOverLine.version)\", this one hands over in \"\(given)\": restart the node instead"
      )
      throw NodeError(
        kind: .system,
        description:
          "the process before hands over in the form \"\(given)\", this program takes over in \"\(HandOverLine.version)\": restart the node instead"
      )
    }
    while case let message = try Self.next(line), message.kind == .sockets {
      for (entry, descriptor) in zip(message.text.split(separator: "\n"), message.descriptors) {
        if entry.hasPrefix("socket "), let address = try? Address(parsing: String(entry.dropFirst(7))) {
          sockets.append(NodeSocket(address: address, descriptor: descriptor))
        } else {
          others[String(entry)] = descriptor
        }
      }
    }
  }

  private static func next(_ line: HandOverLine) throws(NodeError) -> HandOverLine.Message {
    do throws(HandOverLine.Failure) {
      return try line.receive(milliseconds: milliseconds)
    } catch {
      throw NodeError(kind: .system, description: "nothing was handed over by the process before: \(error.description)")
    }
  }

  /// The next message, once all sockets are there; nil: the process before has died.
  private func message(_ kind: HandOverLine.Kind) throws(NodeError) -> HandOverLine.Message? {
    if isAlone { return nil }
    let message: HandOverLine.Message
    do throws(HandOverLine.Failure) {
      message = try line.receive(milliseconds: Self.milliseconds)
    } catch {
      if case .gone = error {
        isAlone = true
        return nil
      }
      throw NodeError(kind: .system, description: "the process before does not hand over: \(error.description)")
    }
    guard message.kind == kind else {
      for descriptor in message.descriptors { _ = cr_close(descriptor) }
      throw NodeError(kind: .system, description: "the process before goes on by itself")
    }
    return message
  }

  /// What stands for this, to be used; nil: it was not handed over.
  func take(_ what: String) -> Int32? { others.removeValue(forKey: what) }

  /// Lines to the processes before that may still finish what they have: that which hands over now, and those that did earlier. Each closes
  /// when its process ends. Whoever takes them closes them.
  func takeLines() -> [Int32] {
    let earlier = others.filter { $0.key.hasPrefix(HandOverLine.before) }
    for name in earlier.keys { others[name] = nil }
    return earlier.values + [line.descriptor]
  }

  /// The file that the socket of commands at a path is; nil: the process before does not tell.
  func adminFile(at path: String) -> UInt? {
    others.keys.lazy.compactMap { entry in
      let words = entry.split(separator: " ", maxSplits: 2)
      guard words.count == 3, words[0] == "admin-file", words[2] == path else { return nil }
      return UInt(words[1])
    }.first
  }

  /// Everything is prepared: what the process before knows. Nil: it told nothing that can be read, for this reason.
  func awaitState() throws(NodeError) -> Result<HandOverState, NodeError> {
    line.send(.prepared)
    guard let message = try message(.state) else {
      return .failure(NodeError(kind: .system, description: "it has died"))
    }
    guard let file = message.descriptors.first else {
      return .failure(NodeError(kind: .system, description: "it told nothing"))
    }
    defer { _ = cr_close(file) }
    let size = cr_file_size(file)
    guard size > 0, size <= HandOverState.bytesMax else {
      return .failure(NodeError(kind: .system, description: "it is not readable"))
    }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    var count = 0
    while count < bytes.count {
      let more = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress! + count, $0.count - count) }
      if more < 0 && errno == EINTR { continue }
      if more <= 0 { break }
      count += more
    }
    return HandOverState.read(Array(bytes.prefix(count)))
  }

  /// The node serves: returns when all else is its own, too. What it does not use is closed here, and told.
  func awaitTurn(using used: [NodeSocket]) throws(NodeError) {
    let unused = sockets.filter { socket in !used.contains { $0.descriptor == socket.descriptor } }
    for socket in unused { _ = cr_close(socket.descriptor) }
    for descriptor in others.values { _ = cr_close(descriptor) }
    others = [:]
    line.send(.ready, unused.map { "\($0.address)" }.joined(separator: "\n"))
    _ = try message(.yours)
  }

  /// Everything is done by this process: the one before may leave. The line belongs to who took it (`takeLines`).
  func taken() {
    if !isAlone && !line.send(.taken) { isAlone = true }
  }

  /// The node cannot serve.
  func fail(_ why: String) {
    line.send(.failed, why)
    line.close()
  }
}
