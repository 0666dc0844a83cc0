import Foundation
import HTTPMessage
import TLS
import Testing

/// Cookies with tags, and HMAC-SHA256 itself.
@Suite struct SignedCookieTests {
  private func keys(_ workshop: Workshop, _ lines: [String], application: String = "shop") throws -> CookieCodes {
    let file = try workshop.write("keys", lines.joined(separator: "\n") + "\n")
    return try CookieCodes(CookieSecrets(file: file), application: application)
  }

  private let first = String(repeating: "0b", count: 32)
  private let second = String(repeating: "a7", count: 40)

  private func signed(_ value: String, cookie: String, session: String, _ codes: borrowing CookieCodes) -> String {
    var memory = [UInt8](repeating: 0, count: 200)
    let count = memory.withUnsafeMutableBytes { memory in
      var writer = ByteWriter(memory)
      for byte in value.utf8 { writer.append(byte: byte) }
      #expect(
        view(value) { value in
          view(cookie) { cookie in
            view(session) { SignedCookie.append(tagOf: value, cookie: cookie, session: $0, to: &writer, with: codes) }
          }
        })
      return writer.position
    }
    return String(decoding: memory[0..<count], as: UTF8.self)
  }

  private func view<Result>(_ text: String, _ body: (ByteView) -> Result) -> Result {
    Array(text.utf8).withUnsafeBytes { body(ByteView($0)) }
  }

  private func judged(
    _ text: String, cookie: String = "JSESSIONID", session: String = "123", required: Bool = true,
    _ codes: borrowing CookieCodes
  ) -> String {
    view(text) { text in
      view(cookie) { cookie in
        view(session) { session in
          switch SignedCookie.judge(text, cookie: cookie, session: session, isRequired: required, with: codes) {
          case .believed(let value, let isFresh):
            String(decoding: value.rawBuffer, as: UTF8.self) + (isFresh ? " fresh" : " stale")
          case .forged: "forged"
          case .unsigned: "unsigned"
          }
        }
      }
    }
  }

  /// The key and message of RFC 4231 section 4.7, whose key is longer than a block; the code, with the key of the application, is another
  /// implementation's.
  @Test func codesAreHMACSHA256() throws {
    let workshop = try Workshop()
    let codes = try keys(workshop, [String(repeating: "aa", count: 131)])
    var code = [UInt8](repeating: 0, count: 32)
    let message = "Test Using Larger Than Block-Size Key - Hash Key First"
    for _ in 0..<2 {
      #expect(
        view(message) { message in
          code.withUnsafeMutableBufferPointer { codes.makeCode(message, key: 0, into: $0.baseAddress!) }
        })
      #expect(
        code.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
          == "a43a7df5ab7b9fdbce15ef5e18ae461208a2bfa5b825bb3a6d5dcb3f7457cc68")
    }
  }

  /// The tag was made by another implementation of HMAC.
  @Test func theFormatIsTheDocumentedOne() throws {
    let codes = try keys(Workshop(), [first])
    let text = signed("W14", cookie: "JSESSIONID", session: "123", codes)
    #expect(text.utf8.count == 3 + SignedCookie.suffixCount)
    #expect(text == "W14!0A8gop4c_PzbrnEr8dXvJP")
    #expect(text.dropFirst(4).allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
  }

  @Test func onlyTheValueThatWasSignedIsBelieved() throws {
    let codes = try keys(Workshop(), [first])
    let text = signed("W14", cookie: "JSESSIONID", session: "123", codes)
    #expect(judged(text, codes) == "W14 fresh")
    #expect(judged(text, session: "124", codes) == "forged")
    #expect(judged(text, session: "", codes) == "forged")
    #expect(judged(text, cookie: "OTHER", codes) == "forged")
    #expect(judged("W13" + text.dropFirst(3), codes) == "forged")
    for position in 4..<text.utf8.count {
      var bytes = Array(text.utf8)
      bytes[position] = bytes[position] == 0x41 ? 0x42 : 0x41
      #expect(judged(String(decoding: bytes, as: UTF8.self), codes) == "forged")
    }
    // Parts cannot be moved from one to the other.
    #expect(
      judged(
        signed("W1", cookie: "JSESSIONID", session: "4123", codes).replacingOccurrences(of: "W1!", with: "W14!"), codes)
        == "forged")
  }

  @Test func anotherApplicationsTagIsForged() throws {
    let workshop = try Workshop()
    let text = signed("W14", cookie: "JSESSIONID", session: "123", try keys(workshop, [first], application: "desk"))
    #expect(judged(text, try keys(workshop, [first], application: "desk")) == "W14 fresh")
    #expect(judged(text, try keys(workshop, [first])) == "forged")
  }

  @Test(arguments: ["W14", "W14!short", "W14!" + String(repeating: "=", count: 22), "", "!", "W14~!x"])
  func aValueWithoutTagIsBelievedUntilOneIsRequired(text: String) throws {
    let codes = try keys(Workshop(), [first])
    #expect(judged(text, required: false, codes) == text + " stale")
    #expect(judged(text, required: true, codes) == "unsigned")
  }

  @Test func aForgedTagIsNoneInEveryPhase() throws {
    let codes = try keys(Workshop(), [first])
    let forged = "W14!" + String(repeating: "A", count: 22)
    for required in [false, true] { #expect(judged(forged, required: required, codes) == "forged") }
  }

  @Test func keysAreChangedWithoutASessionLost() throws {
    let workshop = try Workshop()
    let old = try keys(workshop, [first])
    let text = signed("W14", cookie: "JSESSIONID", session: "123", old)
    #expect(judged(text, try keys(workshop, [first, second])) == "W14 fresh")
    let changed = try keys(workshop, ["# the new one", second, "", first])
    #expect(changed.keyCount == 2)
    #expect(judged(text, changed) == "W14 stale")
    let renewed = signed("W14", cookie: "JSESSIONID", session: "123", changed)
    #expect(renewed != text)
    #expect(judged(renewed, changed) == "W14 fresh")
    #expect(judged(text, try keys(workshop, [second])) == "forged")
  }

  @Test(
    arguments: [
      ([], 1), (["# nothing"], 1), (["zz"], 1), (["# x", String(repeating: "0b", count: 31)], 2),
      ([String(repeating: "0", count: 65)], 1), (Array(repeating: String(repeating: "0b", count: 32), count: 9), 9),
    ] as [([String], Int)])
  func filesOfKeysAreChecked(lines: [String], line: Int) throws {
    let workshop = try Workshop()
    let path = try workshop.write("keys", lines.joined(separator: "\n") + "\n")
    #expect(throws: TLSError.badCookieKeys(path: path, line: line)) { try CookieSecrets(file: path) }
  }

  @Test(arguments: ["\n", "\r\n", "\r"])
  func linesOfKeysEndAsAnySystemEndsThem(end: String) throws {
    let workshop = try Workshop()
    let path = try workshop.write("keys", ["# new", second, "", first, ""].joined(separator: end))
    #expect(try CookieSecrets(file: path) == CookieSecrets(file: workshop.write("plain", "\(second)\n\(first)\n")))
    try workshop.write("keys", ["# new", second, "zz"].joined(separator: end))
    #expect(throws: TLSError.badCookieKeys(path: path, line: 3)) { try CookieSecrets(file: path) }
  }
}
