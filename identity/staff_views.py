"""Pages on which staff and secretaries sign in and out."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from identity import limits, second_factor, staff, staff_sessions
from identity.models import User
from identity.staff_sessions import before_second_factor
from identity.voters import private
from voting_portal.common.http import is_own_path, see_other
from voting_portal.common.roles import Role
from voting_portal.common.security_notes import Note, note


@login_not_required
@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Sign in with a name and a password; users without a password have links."""
    to = request.POST.get("next", request.GET.get("next", ""))
    if not is_own_path(to):
        to = ""
    if request.user.is_authenticated:
        return see_other("identity:staff-home")
    refusal: staff.CannotSignIn | limits.TooMany | None = None
    username = request.POST.get("username", "")
    if request.method == "POST":
        try:
            user = staff.check_password(
                request,
                username=username,
                password=request.POST.get("password", ""),
                now=timezone.now(),
            )
        except (staff.CannotSignIn, limits.TooMany) as refused:
            refusal = refused
            _note_refusal(request, "password", refused)
        else:
            staff_sessions.begin(request, user, by_pass=False, now=timezone.now())
            return see_other(to or "identity:staff-home")
    context = {"refusal": refusal, "username": username, "next": to}
    status = refusal.status if refusal else 200
    return private(render(request, "identity/staff_login.html", context, status=status))


@login_not_required
def sign_in_by_pass(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Show whose link this is; pressing the button signs in and uses it up."""
    now = timezone.now()
    try:
        if request.method == "POST":
            user = staff.use_pass(secret, now=now)
            staff_sessions.begin(request, user, by_pass=True, now=now)
            return see_other("identity:staff-home")
        user = staff.read_pass(secret, now=now)
    except staff.CannotSignIn as refusal:
        _note_refusal(request, "link", refusal)
        context: dict[str, object] = {"refusal": refusal}
        response: HttpResponse = render(
            request, "identity/staff_pass.html", context, status=refusal.status
        )
    else:
        response = render(request, "identity/staff_pass.html", {"pass_user": user})
    response["Referrer-Policy"] = "strict-origin"  # the address is a secret
    return private(response)


@before_second_factor
@sensitive_post_parameters("digits")
@require_http_methods(["GET", "HEAD", "POST"])
def give_second_factor(request: HttpRequest) -> HttpResponseBase:
    """Ask for the authenticator's digits, and set one up for those who have none."""
    user = request.user
    assert isinstance(user, User)
    refusal: staff.CannotSignIn | limits.TooMany | None = None
    if request.method == "POST":
        try:
            second_factor.check_digits(
                request, user, request.POST.get("digits", ""), now=timezone.now()
            )
        except (staff.CannotSignIn, limits.TooMany) as refused:
            refusal = refused
            _note_refusal(request, "digits", refused, actor=user.actor)
        else:
            staff_sessions.make_only(request, user)
            staff_sessions.note_sign_in(request, user, now=timezone.now())
            return see_other("identity:staff-home")
    context: dict[str, object] = {"refusal": refusal}
    if second_factor.device_of(user) is None and request.session.get(second_factor.BEGAN_BY_LINK):
        device = second_factor.device_to_set_up(user)
        context["picture"] = second_factor.picture_of(device)
        context["key"] = second_factor.typed_key(device)
    status = refusal.status if refusal else 200
    return private(render(request, "identity/second_factor.html", context, status=status))


@require_safe
def home(request: HttpRequest) -> HttpResponseBase:
    """Where each role works."""
    assert isinstance(request.user, User)
    if Role.SECRETARY in request.user.role_set:
        return see_other("console:meetings")
    return see_other("admin:index")


@before_second_factor
@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    staff_sessions.leave(request, now=timezone.now())
    return see_other("identity:staff-login")


def _note_refusal(request: HttpRequest, way: str, refusal: Exception, *, actor: str = "") -> None:
    note(Note.NOT_SIGNED_IN, request, actor=actor, way=way, reason=type(refusal).__name__)
