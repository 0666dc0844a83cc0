import Foundation
import Operations
import Testing

@Suite struct ShellCommandTests {
  private let folder = NSTemporaryDirectory() + "geodirector-\(UUID().uuidString.prefix(12))"

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  private func run(_ text: String, milliseconds: Int64 = 20_000, isStopped: () -> Bool = { false }) -> ShellCommand.End
  {
    ShellCommand(text, variables: ["FOLDER=\(folder)", "HOME=elsewhere"])
      .run(milliseconds: milliseconds, isStopped: isStopped)
  }

  private func file(_ name: String) -> String? {
    try? String(contentsOfFile: folder + "/" + name, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private func isRunning(_ name: String) -> Bool {
    guard let process = file(name), let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
    else {
      return false
    }
    // One that has ended, and of whose end nobody has taken note, is none.
    return !state.contains(") Z ")
  }

  private func hasEnded(_ name: String) -> Bool {
    for _ in 0..<500 {
      if !isRunning(name) { return true }
      usleep(10_000)
    }
    return false
  }

  @Test func theStatusIsThatOfTheShell() {
    #expect(run("exit 3") == .status(3))
    #expect(run("kill -9 $$") == .status(128 + 9))
    #expect(run("true") == .status(0))
  }

  @Test func itHasTheVariablesInPlaceOfInheritedOnes() {
    #expect(run("[ \"$HOME\" = elsewhere ] && [ -n \"$PATH\" ]") == .status(0))
  }

  @Test func whatItLeavesBehindIsNotWaitedForAndGoesOn() {
    #expect(run("sleep 600 & echo $! > $FOLDER/left") == .status(0))
    #expect(isRunning("left"))
    if let process = file("left").flatMap({ Int32($0) }) { kill(process, SIGKILL) }
  }

  @Test func itHasNoTerminalAndNothingToRead() {
    #expect(run("read line") != .status(0))
    #expect(run("(: < /dev/tty) 2> $FOLDER/said") != .status(0))
    // A session of its own.
    #expect(run("[ \"$(cut -d ' ' -f 6 /proc/$$/stat)\" = $$ ]") == .status(0))
  }

  @Test func whatIsLateIsEndedWithAllThatItHasStarted() {
    #expect(run("sleep 600 & echo $! > $FOLDER/started; sleep 600", milliseconds: 300) == .late)
    #expect(file("started") != nil && hasEnded("started"))
  }

  @Test func whatDoesNotListenIsKilled() {
    #expect(run("trap '' TERM; echo $$ > $FOLDER/deaf; while :; do sleep 1; done", milliseconds: 300) == .late)
    #expect(file("deaf") != nil && hasEnded("deaf"))
  }

  @Test func itIsEndedWhenItIsNotToGoOn() {
    let end = run("echo $$ > $FOLDER/running; sleep 600") {
      FileManager.default.fileExists(atPath: folder + "/running")
    }
    #expect(end == .stopped)
  }

  @Test func aShellThatCannotBeHadIsToldOf() {
    // Longer than one word of a program may be.
    guard case .notStarted = run(": " + String(repeating: "x", count: 300_000)) else {
      Issue.record("it was started")
      return
    }
  }
}
