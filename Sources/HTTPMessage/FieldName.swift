/// Field names that a proxy acts on; recognised without regard to case.
@frozen
public enum FieldName: UInt8, Sendable, CaseIterable {
  case other
  case host
  case connection
  case keepAlive
  case proxyConnection
  case te
  case trailer
  case transferEncoding
  case contentLength
  case upgrade
  case expect
  case cookie
  case setCookie
  case via
  case xForwardedFor
  case xForwardedProto
  case xForwardedHost
  case forwarded
  case proxyStatus
  case cacheControl
  case maxForwards
  case proxyAuthenticate
  case proxyAuthorization
  case date
  case contentType
  case vary
  case xOriginalTo

  /// The name a range of token characters spells: one comparison of length, then of whole words.
  @inline(__always)
  static func recognise(_ view: ByteView, from start: Int, length: Int) -> FieldName {
    let first = lowerCased(view.word(at: start, length: length))
    // Names longer than eight bytes are compared by their first and last word, past sixteen also by the one between.
    @inline(__always) func last() -> UInt64 { lowerCased(view.word(at: start &+ length &- 8)) }
    @inline(__always) func middle() -> UInt64 { lowerCased(view.word(at: start &+ 8)) }
    switch length {
    case 2:
      if first == lowerCased(packed("te\0\0\0\0\0\0")) { return .te }
    case 3:
      if first == lowerCased(packed("via\0\0\0\0\0")) { return .via }
    case 4:
      if first == lowerCased(packed("host\0\0\0\0")) { return .host }
      if first == lowerCased(packed("date\0\0\0\0")) { return .date }
      if first == lowerCased(packed("vary\0\0\0\0")) { return .vary }
    case 6:
      if first == lowerCased(packed("cookie\0\0")) { return .cookie }
      if first == lowerCased(packed("expect\0\0")) { return .expect }
    case 7:
      if first == lowerCased(packed("upgrade\0")) { return .upgrade }
      if first == lowerCased(packed("trailer\0")) { return .trailer }
    case 9:
      if first == packed("forwarde") && last() == packed("orwarded") { return .forwarded }
    case 10:
      if first == packed("connecti") && last() == packed("nnection") { return .connection }
      if first == packed("keep-ali") && last() == packed("ep-alive") { return .keepAlive }
      if first == packed("set-cook") && last() == packed("t-cookie") { return .setCookie }
    case 12:
      if first == packed("content-") && last() == packed("ent-type") { return .contentType }
      if first == packed("max-forw") && last() == packed("forwards") { return .maxForwards }
      if first == packed("proxy-st") && last() == packed("y-status") { return .proxyStatus }
    case 13:
      if first == packed("cache-co") && last() == packed("-control") { return .cacheControl }
      if first == packed("x-origin") && last() == packed("ginal-to") { return .xOriginalTo }
    case 14:
      if first == packed("content-") && last() == packed("t-length") { return .contentLength }
    case 15:
      if first == packed("x-forwar") && last() == packed("rded-for") { return .xForwardedFor }
    case 16:
      if first == packed("proxy-co") && last() == packed("nnection") { return .proxyConnection }
      if first == packed("x-forwar") && last() == packed("ded-host") { return .xForwardedHost }
    case 17:
      if first == packed("transfer") && middle() == packed("-encodin") && last() == packed("encoding") {
        return .transferEncoding
      }
      if first == packed("x-forwar") && middle() == packed("ded-prot") && last() == packed("ed-proto") {
        return .xForwardedProto
      }
    case 18:
      if first == packed("proxy-au") && middle() == packed("thentica") && last() == packed("enticate") {
        return .proxyAuthenticate
      }
    case 19:
      if first == packed("proxy-au") && middle() == packed("thorizat") && last() == packed("rization") {
        return .proxyAuthorization
      }
    default: break
    }
    return .other
  }
}
