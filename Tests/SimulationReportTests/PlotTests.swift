import Foundation
import FoundationXML
import Testing

@testable import Simulation
@testable import geodirector

@Suite struct SimulationPlotTests {
  private static func parsed(_ report: SimulationReport) throws -> XMLDocument {
    try XMLDocument(xmlString: SimulationPlot(report).text)
  }

  private static func texts(_ document: XMLDocument) throws -> [String] {
    try document.nodes(forXPath: "//*[local-name()='text' or local-name()='title']").compactMap(\.stringValue)
  }

  @Test func itIsValidXMLAndNamesEverything() throws {
    var first = Reports.scenario("a")
    first.summary = "less < than & \"more\""
    let document = try Self.parsed(Reports.report(first, Reports.failing("b")))
    let texts = try Self.texts(document)
    for text in [
      "two-sites", "a", "b", "less < than & \"more\"", "kill SD1, 2m to 4m", "requests/s", "inter-site requests/s",
      "errors per 30s", "sessions lost per 30s", "time since the start", "SITE1", "SITE2", "140 users, 10m, seed 1",
      "563 in all", "3 avoidable", "all unavoidable",
      "does not hold: no-avoidable-error, expected moved-back at most 0",
    ] { #expect(texts.contains(text), "\(text)") }
  }

  @Test func whereNothingHappenedItSaysSo() throws {
    var report = Reports.scenario()
    report.series.errors = Array(repeating: 0, count: 20)
    report.total.counts.errors = 0
    let texts = try Self.texts(Self.parsed(Reports.report(report)))
    #expect(texts.contains("errors") && texts.contains("none"))
  }

  @Test func curvesDifferByTheirDashesToo() throws {
    let document = try Self.parsed(Reports.report(Reports.scenario()))
    let classes = try document.nodes(forXPath: "//*[local-name()='path']/@class").compactMap(\.stringValue)
    // The curve and its sample in the legend.
    #expect(classes.count { $0 == "curve line-c0 dash0" } == 2)
    #expect(classes.count { $0 == "curve line-c1 dash1" } == 2)
    #expect(Set(PlotStyle.dashes).count == PlotStyle.dashes.count)
  }

  @Test func everyColourHasOneForDarkGround() {
    let parts = PlotStyle.text.components(separatedBy: "@media (prefers-color-scheme: dark)")
    #expect(parts.count == 3)
    for name in ["grid", "axis", "band", "fault", "bar", "crossing", "failed"] {
      #expect(PlotStyle.text.components(separatedBy: ".\(name) {").count >= 3, "\(name)")
    }
  }

  @Test func theSameReportGivesTheSameBytes() {
    let report = Reports.report(Reports.failing())
    #expect(SimulationPlot(report).text == SimulationPlot(report).text)
  }

  @Test func wordsOfFaultsDoNotLieOverEachOther() {
    var report = Reports.scenario()
    report.faults = (0..<30).map {
      FaultMark(
        atNanoseconds: $0 * 19_000_000_000, untilNanoseconds: $0 % 3 == 0 ? nil : $0 * 19_000_000_000 + 30_000_000_000,
        text: "kill S1L\($0)")
    }
    let layout = PlotLayout(report, top: 0)
    var lanes: [Double: Double] = [:]
    for fault in layout.faults {
      guard let baseline = fault.baseline else { continue }
      let length = Double(PlotLayout.words(fault.mark).count) * 6
      let begin = fault.anchor == .start ? fault.from : fault.to - length
      #expect(begin >= lanes[baseline, default: 0])
      #expect(begin + length <= PlotLayout.width && begin >= 0)
      #expect(baseline < layout.panels[0].top - 8)
      lanes[baseline] = begin + length
    }
    #expect(layout.unnamed + layout.faults.count { $0.baseline != nil } == 30)
  }

  @Test func panelsStandBelowEachOtherInTheFrame() {
    let layout = PlotLayout(Reports.failing(), top: 100)
    var bottom = 100.0
    for panel in layout.panels {
      #expect(panel.top >= bottom + 20)
      bottom = panel.bottom
    }
    #expect(layout.bottom > bottom + 40)
  }

  @Test func aScenarioOfOneStepCanBeDrawn() throws {
    var report = Reports.scenario()
    report.durationNanoseconds = 1
    report.faults = []
    report.series = TimeSeries(
      stepNanoseconds: 1_000_000, sites: [], requestsBySite: [], interSite: [0], errors: [1], sessionsLost: [0],
      moves: [0])
    _ = try Self.parsed(Reports.report(report))
    #expect(!SimulationText(Reports.report(report)).text.isEmpty)
  }
}

@Suite struct PlotAxisTests {
  @Test(
    arguments: [
      (18.6, 5, [0, 5, 10, 15, 20]), (8.4, 2, [0, 5, 10]), (0, 5, [0, 1e-9]), (3, 2, [0, 2, 4]),
      (0.7, 5, [0, 0.2, 0.4, 0.6, 0.8]),
      (100, 5, [0, 20, 40, 60, 80, 100]),
    ] as [(Double, Int, [Double])]) func marksAreRound(value: Double, count: Int, ticks: [Double])
  {
    let axis = PlotAxis(over: value, count: count)
    if value > 0 {
      #expect(
        zip(axis.ticks, ticks).allSatisfy { abs($0 - $1) < 1e-9 } && axis.ticks.count == ticks.count, "\(axis.ticks)")
    }
    #expect(axis.most >= value && axis.most > 0)
  }

  @Test func countsHaveWholeMarks() {
    #expect(PlotAxis(over: 1, count: 2, isWhole: true).ticks == [0, 1])
    #expect(PlotAxis(over: 3, count: 2, isWhole: true).ticks == [0, 2, 4])
  }

  @Test(
    arguments: [(600, 60), (900, 120), (3_600, 300), (1, 0.1), (86_400, 7_200), (2_592_000, 345_600)]
      as [(Int64, Double)])
  func timesAreRound(seconds: Int64, step: Double) {
    let axis = PlotAxis(time: seconds * 1_000_000_000, count: 12)
    #expect(axis.ticks[1] == step)
    #expect(axis.ticks.count <= 13 && axis.ticks[axis.ticks.count - 1] <= Double(seconds) + 1e-6)
  }
}
