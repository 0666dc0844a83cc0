import Simulation

/// Where everything of one scenario's plot has its place, in user units from the top left of the whole drawing.
struct PlotLayout {
  static let width = 1_000.0
  static let margin = 24.0
  /// The columns beside the curves: names of the amounts to the left, sums and names of the curves to the right.
  static let left = margin + 88
  static let right = width - margin - 148
  static let curvesHeight = 170.0
  static let smallHeight = 56.0
  /// A panel in which nothing happened.
  static let emptyHeight = 18.0
  static let gap = 30.0
  static let laneHeight = 16.0
  private static let lanesMax = 8
  /// Of the smaller text, on average.
  private static let letterWidth = 6.3

  struct Panel {
    var top: Double
    var height: Double
    var bottom: Double { top + height }
  }
  /// A fault: its band over all panels, and its words above them.
  struct Fault {
    var mark: FaultMark
    var from: Double
    var to: Double
    /// Nil: there is no room for words.
    var baseline: Double?
    var anchor: SVGText.Anchor
  }

  let top: Double
  /// The frame's bottom.
  let bottom: Double
  let summary: [String]
  let faults: [Fault]
  /// Faults without words.
  let unnamed: Int
  /// Requests, inter-site requests, errors, sessions lost.
  let panels: [Panel]
  /// Nanoseconds from the left to the right edge.
  let duration: Int64

  init(_ report: ScenarioReport, top: Double) {
    self.top = top
    duration = max(1, report.durationNanoseconds)
    summary = ScenarioReportText.wrapped(report.summary, width: 130)
    var y = top + 54 + Double(summary.count + (report.holds ? 0 : 1)) * 17
    var placed: [Fault] = []
    var lanes: [Double] = []
    for mark in report.faults {
      let from = Self.x(mark.atNanoseconds, duration)
      let to = max(from + 1.5, Self.x(mark.untilNanoseconds ?? duration, duration))
      let length = Double(Self.words(mark).count) * Self.letterWidth
      let anchor: SVGText.Anchor = from + length > Self.right + 140 ? .end : .start
      let begin = anchor == .start ? from : to - length
      var fault = Fault(mark: mark, from: from, to: to, baseline: nil, anchor: anchor)
      let lane = lanes.firstIndex { $0 + 10 < begin } ?? lanes.count
      if lane < Self.lanesMax {
        if lane == lanes.count { lanes.append(0) }
        lanes[lane] = begin + length
        fault.baseline = y + Double(lane) * Self.laneHeight
      }
      placed.append(fault)
    }
    faults = placed
    unnamed = placed.count { $0.baseline == nil }
    y += Double(lanes.count + (unnamed > 0 ? 1 : 0)) * Self.laneHeight + 10
    let series = report.series
    var panels = [Panel(top: y, height: Self.curvesHeight)]
    for values in [series.interSite, series.errors, series.sessionsLost] {
      let isEmpty = values.allSatisfy { $0 == 0 }
      panels.append(
        Panel(top: (panels.last?.bottom ?? y) + Self.gap, height: isEmpty ? Self.emptyHeight : Self.smallHeight))
    }
    self.panels = panels
    bottom = (panels.last?.bottom ?? y) + 54
  }

  /// What stands above a band.
  static func words(_ mark: FaultMark) -> String { "\(mark.text), \(mark.times)" }

  func x(_ nanoseconds: Int64) -> Double { Self.x(nanoseconds, duration) }

  private static func x(_ nanoseconds: Int64, _ duration: Int64) -> Double {
    left + (right - left) * min(1, max(0, Double(nanoseconds) / Double(duration)))
  }
}
