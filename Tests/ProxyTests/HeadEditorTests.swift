import HTTPMessage
import Testing

@testable import Proxy

@Suite struct HeadEditorTests {
  /// A text with edits: a range, and what comes in its place.
  private func edited(_ text: String, _ edits: [(Int, Int, StaticString?, StaticString?)], room: Int = 200) -> String? {
    let bytes = Array(text.utf8)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 8)
    defer { memory.deallocate() }
    var editor = HeadEditor(capacity: 8)
    return bytes.withUnsafeBytes { buffer -> String? in
      let view = ByteView(buffer)
      var writer = ByteWriter(memory)
      for (start, end, first, second) in edits {
        editor.replace(ByteRange(start, end), with: first.map { ByteView($0) }, second.map { ByteView($0) })
      }
      editor.write(view, from: 0, to: view.count, into: &writer)
      if writer.hasOverflowed { return nil }
      return String(decoding: writer.written.rawBuffer, as: UTF8.self)
    }
  }

  @Test func withoutEditsTheHeadIsCopied() { #expect(edited("a: 1\r\nb: 2\r\n", []) == "a: 1\r\nb: 2\r\n") }

  @Test func rangesAreLeftOutAndReplacedAndTheRestKeepsItsOrder() {
    #expect(edited("abcdefgh", [(1, 3, nil, nil), (3, 4, nil, nil), (6, 7, nil, nil)]) == "aefh")
    #expect(edited("abcdefgh", [(0, 1, "X", nil), (4, 4, "Y", "~"), (8, 8, "Z", nil)]) == "XbcdY~efghZ")
    #expect(edited("abcdefgh", [(0, 8, nil, nil)]) == "")
  }

  @Test func aDeletionBesideAnInsertionKeepsTheInsertion() {
    #expect(edited("abcdef", [(1, 2, "X", nil), (2, 4, nil, nil)]) == "aXef")
    #expect(edited("abcdef", [(1, 2, nil, nil), (2, 2, "X", nil)]) == "aXcdef")
  }

  @Test func editsTakenBackLeaveTheOthers() {
    let text = Array("abcdefgh".utf8)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 20, alignment: 8)
    defer { memory.deallocate() }
    var editor = HeadEditor(capacity: 8)
    editor.delete(ByteRange(0, 1))
    let before = editor.count
    editor.delete(ByteRange(3, 4))
    editor.delete(ByteRange(5, 6))
    editor.forget(behind: before)
    editor.delete(ByteRange(2, 8))
    var writer = ByteWriter(memory)
    text.withUnsafeBytes { editor.write(ByteView($0), from: 0, to: 8, into: &writer) }
    let written = Array(writer.written.rawBuffer)
    #expect(written == Array("b".utf8))
  }

  @Test func whatDoesNotFitIsSaid() { #expect(edited("abcdef", [], room: 3) == nil) }
}
