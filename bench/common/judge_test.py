"""Goal: the numbers that decide whether a bar holds are computed as the documents say, and the chart is a picture."""

import pathlib
import sys
import unittest
from xml.etree import ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import chart
import judge


class Judge(unittest.TestCase):
    def test_ratio_is_taken_inside_each_pair(self):
        # Both sides slowed down tenfold in the last pairs: the ratio of medians would be 8, that of the pairs is 0.8.
        row = judge.verdict([80, 80, 80, 8, 8], [100, 100, 10, 10, 10], 0.75)
        self.assertEqual(row["ratios"], [0.8, 0.8, 8, 0.8, 0.8])
        self.assertEqual(row["ratio"], 0.8)
        self.assertTrue(row["holds"])

    def test_bar_is_missed_below_and_kept_at_it(self):
        self.assertFalse(judge.verdict([0.94], [1.0], 0.95)["holds"])
        self.assertTrue(judge.verdict([0.95], [1.0], 0.95)["holds"])
        self.assertTrue(judge.verdict([0.1], [1.0], None)["holds"])

    def test_measurements_that_are_none_are_refused(self):
        for ours, reference in (([], []), ([1.0], []), ([1.0], [0.0])):
            with self.assertRaises(ValueError):
                judge.verdict(ours, reference, 1.0)

    def test_quantities_read_well(self):
        self.assertEqual(judge.quantity(3 << 30, "B/s"), "3.00 GiB/s")
        self.assertEqual(judge.quantity(81_234, "op/s"), "81.2 k op/s")
        self.assertEqual(judge.quantity(412, "op/s"), "412 op/s")

    def test_table_is_aligned(self):
        lines = judge.table([("work", "ours"), ("a", "12"), ("longer", "3")])
        self.assertEqual(lines, ["work    ours", "a         12", "longer     3"])


class Chart(unittest.TestCase):
    def points(self, picture):
        root = ElementTree.fromstring(picture)
        return [(float(each.get("cx")), float(each.get("cy"))) for each in root.iter("{http://www.w3.org/2000/svg}circle")]

    def test_equal_costs_lie_on_one_height_and_higher_ones_above(self):
        picture = chart.log_log("t <&>", "x", "y", [("flat", False, [(1e4, 5.0), (1e7, 5.0)]), ("up", True, [(1e4, 50.0)])])
        flat_left, flat_right, up = self.points(picture)
        self.assertEqual(flat_left[1], flat_right[1])
        self.assertLess(flat_left[0], flat_right[0])
        self.assertLess(up[1], flat_left[1])
        self.assertIn("t &lt;&amp;&gt;", picture)

    def test_one_point_is_a_picture_too(self):
        self.assertEqual(len(self.points(chart.log_log("t", "x", "y", [("one", False, [(10, 1)])]))), 1)


if __name__ == "__main__":
    unittest.main()
