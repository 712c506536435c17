// Package chart draws lines between two axes as SVG.
package chart

// Chart is lines between two axes.
type Chart struct {
	Name  string // of its file
	Title string
	Note  string // below the title
	X, Y  Axis
	Lines []Line
}

// Line is a row of points and how it is drawn.
type Line struct {
	Name   string
	Colour string
	Dash   string // as SVG has it; a line without is whole
	Bare   bool   // without a mark at each point
	Points []Point
}

// Point is a figure, and where it is the middle of several their ends.
type Point struct{ X, Y, Low, High float64 }
