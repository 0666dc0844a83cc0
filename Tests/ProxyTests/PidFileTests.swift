import Foundation
import Testing

@testable import Proxy

struct PidFileTests {
  private let path = NSTemporaryDirectory() + "geodirector-\(UUID().uuidString.prefix(12)).pid"
  private var text: String? { try? String(contentsOfFile: path, encoding: .utf8) }

  @Test func aFileThatIsHeldIsRefusedByNameAndThatOfADeadProcessIsTaken() throws {
    // Longer than what is written, and of nobody.
    try "4194304000 left by one that was killed\n".write(toFile: path, atomically: true, encoding: .utf8)
    let file = try PidFile(path)
    #expect(text?.hasPrefix("4194304000") == true, "nothing is written before the process serves")
    try file.write()
    #expect(text == "\(getpid())\n")
    let refusal = #expect(throws: NodeError.self) { try PidFile(path) }
    #expect(refusal?.kind == .alreadyRunning)
    #expect(refusal?.description.contains("\(path) is held by process \(getpid()), which lives") == true)
    #expect(text == "\(getpid())\n")
    file.remove()
    #expect(text == nil)
  }

  @Test func theLockGoesWithTheDescriptorAndTheFileIsWhoseIdStandsInIt() throws {
    let before = try PidFile(path)
    try before.write()
    let after = PidFile(path, adopting: dup(before.descriptor))
    // As another process writes it.
    pwrite(after.descriptor, "1\n", 2, 0)
    ftruncate(after.descriptor, 2)
    before.remove()
    #expect(text == "1\n", "it is another process's")
    #expect(throws: NodeError.self) { try PidFile(path) }
    // It is this one's for good.
    try after.write()
    after.own()
    after.remove()
    #expect(text == nil)
  }

  @Test func aProcessThatFailsToTakeOverLeavesTheFileToTheOneBefore() throws {
    let before = try PidFile(path)
    try before.write()
    let after = PidFile(path, adopting: dup(before.descriptor))
    // The last that it does before something else fails.
    try after.write()
    after.remove()
    try before.write()
    #expect(text == "\(getpid())\n", "it writes to the file that is there")
    before.remove()
    #expect(text == nil)
  }

  @Test func aFileThatIsGivenUpIsTakenAgainWhereverItIsByThen() throws {
    let file = try PidFile(path)
    try file.write()
    file.release()
    #expect(text == "\(getpid())\n" && !file.isHeld)
    // Another process has it, has written its id, and has ended without taking it away.
    let other = try PidFile(path)
    let refusal = #expect(throws: NodeError.self) { try file.takeAgain(isOutOfSight: false) }
    #expect(refusal?.kind == .alreadyRunning)
    let unseen = #expect(throws: NodeError.self) { try file.takeAgain(isOutOfSight: true) }
    #expect(unseen?.kind == .alreadyRunning && !file.isHeld)
    pwrite(other.descriptor, "1\n", 2, 0)
    ftruncate(other.descriptor, 2)
    close(other.descriptor)
    #expect(try file.takeAgain(isOutOfSight: false) === file && file.isHeld)
    #expect(text == "\(getpid())\n")
    #expect(throws: NodeError.self) { try PidFile(path) }
    // It has taken it away.
    file.release()
    unlink(path)
    let gone = #expect(throws: NodeError.self) { try file.takeAgain(isOutOfSight: true) }
    #expect(gone?.kind == .system && text == nil)
    let anew = try file.takeAgain(isOutOfSight: false)
    #expect(anew !== file && anew.isHeld && text == "\(getpid())\n")
    anew.remove()
    #expect(text == nil)
  }

  @Test func aFileThatIsGivenUpIsTakenAwayAtTheEndUnlessAnotherHasIt() throws {
    let file = try PidFile(path)
    try file.write()
    file.release()
    // Its id comes when it serves.
    let other = try PidFile(path)
    file.remove()
    #expect(text == "\(getpid())\n")
    other.release()
    other.remove()
    #expect(text == nil)
  }

  @Test func whatIsNoFileAndWhatWasNeverWrittenAreLeftAlone() throws {
    mkfifo(path, 0o600)
    defer { unlink(path) }
    let refusal = #expect(throws: NodeError.self) { try PidFile(path) }
    #expect(refusal?.description.contains("it is no file") == true)
    unlink(path)
    try "1234567\n".write(toFile: path, atomically: true, encoding: .utf8)
    try PidFile(path).remove()
    #expect(text == "1234567\n")
    unlink(path)
    try PidFile(path).remove()
    #expect(text == nil, "one that was made for a start that failed")
  }
}
