import FuzzKit
import HTTPMessage

/// First bytes of connections by TLS: what a client asks for, and what a server answered. More bytes never take back what was said of
/// fewer, records may be cut anywhere, and what is written here is understood here.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  withExactBytes(data, size) { view in
    let whole = parse(view)
    for cut in cuts(of: view) { checkPrefix(withPrefix(view, cut, parse), of: whole, cut) }
    if case .complete(let hello) = whole { checkRecords(view, hello) }
    checkAnswers(view)
    checkWritten(view)
  }
  return 0
}

private struct Hello: Equatable {
  var name: [UInt8]?
  var protocols: [[UInt8]]?
  var offersTLS13: Bool
  var length: Int
}

private enum Outcome: Equatable {
  case complete(Hello)
  case needMore
  case invalid
}

private func parse(_ view: ByteView) -> Outcome {
  withUnsafeTemporaryAllocation(byteCount: ClientHelloParser.bytesMax, alignment: 8) { scratch in
    switch ClientHelloParser.parse(view, scratch: scratch) {
    case .needMore: return .needMore
    case .invalid: return .invalid
    case .complete(let hello):
      precondition(hello.length > 0 && hello.length <= view.count, "a message beyond what came")
      var names: [[UInt8]]?
      if var list = hello.protocols {
        names = []
        while let name = list.next() {
          precondition(name.count > 0)
          names!.append(bytes(name))
        }
      }
      return .complete(
        Hello(
          name: hello.serverName.map(bytes), protocols: names, offersTLS13: hello.offersTLS13, length: hello.length))
    }
  }
}

private func checkPrefix(_ part: Outcome, of whole: Outcome, _ cut: Int) {
  switch part {
  case .complete, .invalid: precondition(part == whole, "more bytes changed what was said")
  case .needMore:
    if case .complete(let hello) = whole { precondition(cut < hello.length, "all of it was there") }
  }
}

/// The same message in records of other sizes.
private func checkRecords(_ view: ByteView, _ hello: Hello) {
  var message: [UInt8] = []
  var position = 0
  while position < hello.length {
    let length = Int(view[position + 3]) << 8 | Int(view[position + 4])
    message += bytes(view.slice(position + 5, position + 5 + length))
    position += 5 + length
  }
  for size in [7, 100, 16_384] {
    var records: [UInt8] = []
    var rest = message[...]
    while !rest.isEmpty {
      let piece = rest.prefix(size)
      records += [22, 3, 1, UInt8(piece.count >> 8), UInt8(piece.count & 0xFF)] + piece
      rest = rest.dropFirst(size)
    }
    records.withUnsafeBytes { raw in
      guard case .complete(let again) = parse(ByteView(raw)) else { preconditionFailure("other records, no message") }
      precondition(again.name == hello.name && again.protocols == hello.protocols, "other records, another message")
    }
  }
}

private func checkAnswers(_ view: ByteView) {
  let whole = HelloAnswer(view)
  for cut in cuts(of: view) {
    let part = withPrefix(view, cut) { HelloAnswer($0) }
    precondition(part == .needMore || part == whole, "more bytes changed what was answered")
  }
}

/// A hello for the name that the input is, if it is one.
private func checkWritten(_ view: ByteView) {
  guard view.count >= 1, view.count <= 255 else { return }
  for position in 0..<view.count where view[position] <= 0x20 || view[position] >= 0x7F { return }
  let random = [UInt8](repeating: view[0], count: ByteWriter.clientHelloRandomBytes)
  withUnsafeTemporaryAllocation(byteCount: 1_024, alignment: 8) { memory in
    var writer = ByteWriter(memory)
    random.withUnsafeBytes { writer.append(clientHelloFor: view, random: ByteView($0)) }
    guard case .complete(let hello) = parse(writer.written) else { preconditionFailure("our own hello is none") }
    precondition(hello.name == bytes(view) && hello.length == writer.position && hello.offersTLS13)
  }
}
