import HTTPMessage

/// Bytes of a text whose scalars are all below 256.
func bytes(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }

/// The text of a range of bytes.
func text(_ bytes: [UInt8], _ range: ByteRange) -> String {
  String(String.UnicodeScalarView(bytes[range.start..<range.end].map { Unicode.Scalar($0) }))
}

func withView<Result>(_ bytes: [UInt8], _ body: (ByteView) -> Result) -> Result {
  bytes.withUnsafeBytes { body(ByteView($0)) }
}

/// A parsed request, its positions turned into text.
struct ParsedRequest {
  var result: HeadResult
  var head: RequestHead
  var fields: [(name: String, value: String, line: String, id: FieldName)]
  var bytes: [UInt8]

  func text(_ range: ByteRange) -> String { HTTPMessageTests.text(bytes, range) }
}

func parseRequest(_ message: String, limits: HeadLimits = HeadLimits(), capacity: Int = 128) -> ParsedRequest {
  let input = bytes(message)
  var head = RequestHead()
  var table = FieldTable(capacity: capacity)
  let result = withView(input) { parseRequestHead($0, limits: limits, head: &head, into: &table) }
  var fields: [(name: String, value: String, line: String, id: FieldName)] = []
  if result == .complete {
    for index in 0..<table.count {
      let field = table[index]
      fields.append((text(input, field.name), text(input, field.value), text(input, field.line), field.id))
    }
  }
  return ParsedRequest(result: result, head: head, fields: fields, bytes: input)
}

/// The result of parsing a GET with these field lines besides a Host.
func requestResult(fields: String, line: String = "GET / HTTP/1.1", limits: HeadLimits = HeadLimits()) -> HeadResult {
  parseRequest("\(line)\r\nHost: a\r\n\(fields)\r\n", limits: limits).result
}

func parseResponse(_ message: String, toHead: Bool = false) -> (HeadResult, ResponseHead, [UInt8], dropped: [Bool]) {
  let input = bytes(message)
  var head = ResponseHead()
  var table = FieldTable()
  let result = withView(input) {
    parseResponseHead($0, toHead: toHead, limits: HeadLimits(), head: &head, into: &table)
  }
  return (result, head, input, result == .complete ? (0..<table.count).map { table[$0].isDropped } : [])
}
