import Simulation

/// A line of a chart of requests by site.
struct SiteSeries {
  var name: String
  /// Requests by step.
  var values: [UInt32]

  /// The sites of a time series, at most `linesMax` lines: those with the fewest requests are one line together.
  static func choose(_ series: TimeSeries, linesMax: Int) -> [SiteSeries] {
    choose(zip(series.sites, series.requestsBySite).map { SiteSeries(name: $0, values: $1) }, linesMax: linesMax)
  }

  /// The same of lines of equal length.
  static func choose(_ all: [SiteSeries], linesMax: Int) -> [SiteSeries] {
    guard all.count > linesMax else { return all }
    let totals = all.map { $0.values.reduce(UInt64(0)) { $0 + UInt64($1) } }
    let order = all.indices.sorted { (totals[$1], $0) < (totals[$0], $1) }
    // Those that stay keep the order of the file.
    let kept = order.prefix(linesMax - 1).sorted()
    var others = [UInt32](repeating: 0, count: all.first?.values.count ?? 0)
    for index in order.dropFirst(linesMax - 1) {
      for step in others.indices { others[step] += all[index].values[step] }
    }
    return kept.map { all[$0] } + [SiteSeries(name: "\(all.count - linesMax + 1) others", values: others)]
  }
}
