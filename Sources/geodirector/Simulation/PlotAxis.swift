/// Marks of an axis at round values.
struct PlotAxis {
  /// Values of the marks, from 0 up.
  let ticks: [Double]
  /// The axis ends here.
  let most: Double

  /// An axis of amounts that reaches over `value`, with about `count` steps of 1, 2 or 5 times a power of ten.
  ///
  /// - Parameter isWhole: the steps are whole numbers.
  init(over value: Double, count: Int, isWhole: Bool = false) {
    let target = max(value, isWhole ? 1 : 1e-9) / Double(max(1, count))
    var unit = 1.0
    while unit > target { unit /= 10 }
    while unit * 10 <= target { unit *= 10 }
    var step = [1.0, 2, 5, 10].map { $0 * unit }.first { $0 >= target * 0.999 } ?? unit * 10
    if isWhole { step = max(1, step) }
    let steps = max(1, Int((value / step * 0.9999).rounded(.up)))
    ticks = (0...steps).map { Double($0) * step }
    most = Double(steps) * step
  }

  /// An axis of time of a length in nanoseconds, with marks at round times, at most `count` of them.
  init(time length: Int64, count: Int) {
    let seconds = Double(length) / 1e9
    let steps: [Double] = [
      0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600,
      7_200, 10_800, 21_600, 43_200, 86_400,
    ]
    var step = steps.first { seconds / $0 <= Double(count) } ?? 86_400
    while seconds / step > Double(count) { step *= 2 }
    ticks = (0...max(0, Int(seconds / step + 1e-6))).map { Double($0) * step }
    most = seconds
  }
}
