import HTTPMessage
import TestRandom
import Testing

/// The mark of a redirect, put behind a query and taken off again.
@Suite struct QueryMarkTests {
  private static let mark: StaticString = "m=1"

  private func removed(_ target: String) -> String {
    let input = bytes(target)
    return withView(input) { view in
      let rest = QueryMark.removed(Self.mark, from: view)
      return String(decoding: rest.rawBuffer, as: UTF8.self)
    }
  }

  /// The parameters one by one.
  private func expected(_ target: String) -> String {
    guard let question = target.firstIndex(of: "?") else { return target }
    var parameters = target[target.index(after: question)...].split(separator: "&", omittingEmptySubsequences: false)
    while parameters.last == "m=1" { parameters.removeLast() }
    return target[..<question] + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
  }

  @Test(arguments: [
    ("/", "/"), ("/?m=1", "/"), ("/a?b=c&m=1", "/a?b=c"), ("/?&m=1", "/?"), ("/?m=1&m=1", "/"), ("/?m=1&a", "/?m=1&a"),
    ("/a&m=1", "/a&m=1"), ("/a?b?m=1", "/a?b?m=1"), ("/m=1", "/m=1"), ("/?xm=1", "/?xm=1"), ("/?m=11", "/?m=11"),
    ("?m=1", ""), ("", ""), ("m=1", "m=1"),
  ])
  func onlyAWholeParameterAtTheEndOfTheQueryIsRemoved(target: String, rest: String) {
    #expect(removed(target) == rest)
  }

  @Test func whatIsRemovedFromAnyTargetIsTheMarkAlone() {
    var random = Generator(seed: 7)
    let pieces = ["?", "&", "m=1", "m", "=", "1", "/", "a", "?m=1", "&m=1"]
    for _ in 0..<20_000 {
      let target = (0..<Int.random(in: 0...12, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
        .joined()
      let rest = removed(target)
      #expect(rest == expected(target), "\(target)")
      #expect(target.hasPrefix(rest) && removed(rest) == rest, "\(target)")
      // As a redirect puts it there.
      let marked = rest + (rest.contains("?") ? "&" : "?") + "m=1"
      #expect(removed(marked) == rest, "\(marked)")
    }
  }
}
