/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions that C's <math.h> has too, but with the bits that emitted code gives.  See math.inc.
 *
 * Largest errors in units in the last place, f32: exp log log1p expm1 erf rsqrt pow 1, sin cos tanh sigmoid erfc
 * ndtr 2, ndtri 5.  f64: 2, ndtri 5; rsqrt 1.  Infinities, NaN and zeros of both signs as C's Annex F has them; subnormals are kept. */
#ifndef GRADUS_RULES_MATH_H
#define GRADUS_RULES_MATH_H

float math_exp_f32(float x);
float math_expm1_f32(float x);
float math_log_f32(float x);
float math_log1p_f32(float x);
float math_sin_f32(float x);
float math_cos_f32(float x);
float math_tanh_f32(float x);
float math_sigmoid_f32(float x);
float math_erf_f32(float x);
float math_erfc_f32(float x);
float math_ndtr_f32(float x);
float math_rsqrt_f32(float x);
float math_ndtri_f32(float p);
float math_floor_f32(float x);
float math_pow_f32(float x, float y);

double math_exp_f64(double x);
double math_expm1_f64(double x);
double math_log_f64(double x);
double math_log1p_f64(double x);
double math_sin_f64(double x);
double math_cos_f64(double x);
double math_tanh_f64(double x);
double math_sigmoid_f64(double x);
double math_erf_f64(double x);
double math_erfc_f64(double x);
double math_ndtr_f64(double x);
double math_rsqrt_f64(double x);
double math_ndtri_f64(double p);
double math_floor_f64(double x);
double math_pow_f64(double x, double y);

#endif
