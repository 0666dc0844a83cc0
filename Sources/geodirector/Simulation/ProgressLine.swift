import Foundation
import Simulation
import Synchronization

/// A line on the terminal that tells how far a simulation has come; it is drawn over itself and gone at the end.
final class ProgressLine: Sendable {
  /// Runs shorter than this show nothing.
  private static let patience: TimeInterval = 0.3
  private static let pause: TimeInterval = 0.1
  private static let barWidth = 20
  /// Without a window's width; the last column stays empty.
  private static let columnsDefault = 80

  private struct State {
    var done = 0
    /// Requests of scenarios that are done.
    var requestsDone: UInt64 = 0
    var running: [String: SimulationProgress] = [:]
    var drawnAt: TimeInterval?
  }

  private let scenarios: Int
  private let begun: TimeInterval
  private let isUnicode: Bool
  private let state = Mutex(State())

  /// - Parameter scenarios: how many there are.
  init(scenarios: Int, isUnicode: Bool) {
    self.scenarios = scenarios
    self.isUnicode = isUnicode
    begun = ProcessInfo.processInfo.systemUptime
  }

  /// Nil when standard error is no terminal that can draw a line over itself.
  static func onTerminal(scenarios: Int, _ environment: [String: String] = ProcessInfo.processInfo.environment)
    -> ProgressLine?
  {
    guard isatty(STDERR_FILENO) == 1, environment["TERM", default: "dumb"] != "dumb" else { return nil }
    return ProgressLine(scenarios: scenarios, isUnicode: TerminalStyle(environment, isTerminal: true).isUnicode)
  }

  /// Takes in how far a run has come; may be called on any thread.
  func update(_ progress: SimulationProgress) {
    let now = ProcessInfo.processInfo.systemUptime
    state.withLock { state in
      if progress.isDone {
        state.done += 1
        state.requestsDone += progress.requests
        state.running[progress.scenario] = nil
      } else {
        state.running[progress.scenario] = progress
      }
      guard now - begun >= Self.patience, now - (state.drawnAt ?? 0) >= Self.pause else { return }
      state.drawnAt = now
      let text = Self.text(
        done: state.done, of: scenarios, requestsDone: state.requestsDone, running: Array(state.running.values),
        seconds: now - begun, isUnicode: isUnicode)
      Self.write("\r\(text.prefix(Self.columns - 1))\u{1B}[K")
    }
  }

  /// Takes the line away.
  func finish() { state.withLock { if $0.drawnAt != nil { Self.write("\r\u{1B}[K") } } }

  /// The line: a bar, scenarios done, virtual time of the ones that run, requests a second of real time.
  static func text(
    done: Int, of scenarios: Int, requestsDone: UInt64, running: [SimulationProgress], seconds: TimeInterval,
    isUnicode: Bool
  ) -> String {
    let parts = running.map { Double($0.nowNanoseconds) / Double(max(1, $0.endNanoseconds)) }
    let share = min(1, (Double(done) + parts.reduce(0, +)) / Double(max(1, scenarios)))
    let full = Int(share * Double(barWidth))
    let bar =
      String(repeating: isUnicode ? "━" : "#", count: full)
      + String(repeating: isUnicode ? "┄" : ".", count: barWidth - full)
    let requests = running.reduce(requestsDone) { $0 + $1.requests }
    let rate = Quantities.count(UInt64(Double(requests) / max(seconds, 0.001)))
    let now = running.sorted { $0.scenario < $1.scenario }.map {
      "\($0.scenario) \(Quantities.time($0.nowNanoseconds)) of \(Quantities.time($0.endNanoseconds))"
    }
    return (["\(bar) \(done)/\(scenarios)", "\(rate) requests/s"] + now).joined(separator: ", ")
  }

  private static var columns: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : columnsDefault
  }

  private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
